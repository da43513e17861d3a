"""What a training leaves behind: where things are, what came of it, what to type next."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adain.runtime.errors import UserError
from adain.runtime.files import relative
from adain.runtime.schema import READY_DECODERS

_MOST_ROWS = 12  # of the closing table: the start and the last ones


def compare(source: str, method: Any, datamodule: Any) -> tuple[float, float] | None:
    """Held-out losses of another decoder, or None, said in a line, where it does not fit or cannot be had."""
    from adain.nn.decoder import load_decoder
    from adain.training.progress import say
    from adain.training.validation_printer import held_out_losses

    try:
        decoder, encoder = load_decoder(source)
    except UserError as error:
        say(f"compare_with={source} is left out: {error}")
        return None
    if method.method != "adain" or method.hparams["transfer"] != "adain":
        say(f"compare_with={source} is left out: it decodes what AdaIN makes, not what this method does")
        return None
    if encoder != method.hparams["encoder"]:
        say(f"compare_with={source} is left out: it belongs to encoder={encoder}")
        return None
    return held_out_losses(method, decoder, datamodule.val_dataloader(), method.device)


def point_latest(link: Path, folder: Path) -> None:
    """Makes ``.../latest`` point at the newest run or sweep."""
    part = link.with_name(f".{link.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(folder.resolve(), target_is_directory=True)
        part.replace(link)
    except OSError as error:  # a file system without links
        print(f"{link} could not be pointed at {folder} ({error.strerror})")


def write_pairs(path: Path, names: list[tuple[str, str]]) -> None:
    """Which held-out pairs every figure and picture of the run is of. A resumed run says so if they are others."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("content", "style"), *names])
    lines = text.getvalue().encode(errors="surrogateescape")  # file names need not be UTF-8
    if path.is_file() and path.read_bytes() != lines:
        print(
            f"the held-out pairs are not those in {path}, because the pictures changed: figures from here on cannot be "
            "compared with those before; data.held_out=FILE fixes them"
        )
    path.write_bytes(lines)


def say_shared(datamodule: Any, kinds: Sequence[str]) -> None:
    """That pictures of these kinds (``content``, ``style``) are both trained on and held out, where there is but one."""
    for kind in kinds:
        source = getattr(datamodule, f"train_{kind}")
        names = set(getattr(source, "names", ()))
        if names and names <= {pair[kind == "style"] for pair in datamodule.held_out.names}:
            print(f"data.{kind} is one picture: it is trained on and held out, so held-out losses say little")


def report(
    folder: Path,
    logs: str,
    callbacks: dict[str, Any],
    compared: tuple[str, tuple[float, float]] | None,
    method: str,
    stopped: bool,
    several: bool,
) -> None:
    """The last lines: what came of it, where it is, what to type next; of a job of ``several``, the sweep says that."""
    from adain.training.validation_printer import label

    shown = relative(folder)
    if "summary" in callbacks:
        print(f"\n{'held-out losses':<20}{'content':>10}{'style':>10}")
        history = callbacks["summary"].history
        rows = history if len(history) <= _MOST_ROWS else [history[0], *history[1 - _MOST_ROWS :]]
        for row in rows:
            print(f"{label(int(row['step'])):<20}{row['val/content']:>10.3f}{row['val/style']:>10.3f}")
        if compared is not None:
            source, (content, style) = compared
            name = f"{source} decoder" if source in READY_DECODERS else "compare_with"
            print(f"{name:<20}{content:>10.3f}{style:>10.3f}")
    print(f"\nrun           {shown}")
    kept = [name for name in ("best.ckpt", "last.ckpt") if (folder / "checkpoints" / name).exists()]
    print(f"checkpoints   {shown}/checkpoints/  ({', '.join(kept) or 'none yet'})")
    if "grid" in callbacks and callbacks["grid"].latest is not None:
        print(f"pictures      {relative(callbacks['grid'].latest)}")
    if "skipped" in callbacks and callbacks["skipped"].seen:
        listed = relative(callbacks["skipped"].path)
        print(f"skipped       {len(callbacks['skipped'].seen)} unreadable pictures, listed in {listed}")
    if several:
        return
    inputs = "content=FILE" if method == "texture_network" else "content=FILE style=FILE"
    other = "" if method == "adain" else f"model={method} "
    elsewhere = "" if logs == "logs" else f" logs={logs}"  # where latest and last are looked for
    if stopped:
        print(f"next          make train ckpt=last{elsewhere}")
    elif kept:
        print(f"next          make stylize {other}{inputs}{elsewhere}")
