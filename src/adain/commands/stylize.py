"""``make stylize``: one picture in the style of another."""

from __future__ import annotations

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from adain.commands.app import run
from adain.errors import UserError


def stylize(config: DictConfig) -> None:
    """Writes one stylised picture and prints where it is."""
    for key in ("content", "style", "decoder"):
        if config[key] is None:
            raise UserError(f"{key}=null cannot be used: give a file")
    content, style = Path(config.content).expanduser(), Path(config.style).expanduser()
    for key, path in (("content", content), ("style", style)):
        if not path.is_file():
            raise UserError(f"{key}={path} is no file: give a picture")
    out = (
        Path(config.out).expanduser()
        if config.out
        else Path(config.logs) / "stylized" / f"{content.stem}_{style.stem}.png"
    )
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise UserError(f"out={out} has no picture's ending: give .png, .jpg or .webp")
    if out.resolve() in (content.resolve(), style.resolve()):
        raise UserError(f"out={out} would overwrite an input: give another name")
    decoder = _decoder(config.decoder, Path(config.logs))

    from adain.data.picture import PictureError, read_picture
    from adain.memory import keep_freed_memory
    from adain.stylize import Stylizer

    keep_freed_memory()

    pictures = {}
    for key, path in (("content", content), ("style", style)):
        try:
            pictures[key] = read_picture(path)
        except PictureError as error:
            raise UserError(f"{key}={path} cannot be used ({error}): give another picture") from None
    output = Stylizer.load(decoder).stylize(pictures["content"], pictures["style"], config.alpha)
    part = out.with_name(f".{out.name}.part{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        output.save(part, quality=95)
        part.replace(out)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise UserError(f"out={out} cannot be written ({error.strerror or error}): give another folder") from None
    print(f"{out}  ({output.width} x {output.height}, decoder {decoder})")


def _decoder(wanted: str, logs: Path) -> str:
    """A path, or ``reference``: also what ``latest`` comes to where nothing was trained yet."""
    if wanted != "latest":
        return wanted
    for name in ("best.ckpt", "last.ckpt"):
        if (path := (logs / "latest").resolve() / "checkpoints" / name).is_file():
            return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    print(f"no trained decoder below {logs} yet: using the published reference decoder")
    return "reference"


def main() -> None:
    """The command."""
    run("stylize", stylize, paths=("content", "style", "out", "decoder"))


if __name__ == "__main__":
    main()
