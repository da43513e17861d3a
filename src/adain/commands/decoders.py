"""Which decoder a command is to use."""

from __future__ import annotations

from pathlib import Path

from adain.errors import UserError


def find_decoder(wanted: str | None, logs: Path) -> str:
    """A path, or ``reference``: also what ``latest`` comes to where nothing was trained yet.

    Raises:
        UserError: If the decoder is null.
    """
    if wanted is None:
        raise UserError("decoder=null cannot be used: give latest, reference or a file")
    if wanted != "latest":
        return str(wanted)
    for name in ("best.ckpt", "last.ckpt"):
        if (path := (logs / "latest").resolve() / "checkpoints" / name).is_file():
            return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    print(f"no trained decoder below {logs} yet: using the published reference decoder")
    return "reference"
