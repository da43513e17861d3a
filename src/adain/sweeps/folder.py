"""Finding a sweep's folder."""

from __future__ import annotations

from pathlib import Path

from adain.runtime.errors import UserError


def find_sweep(wanted: str, logs: Path, word: str) -> Path:
    """The folder that ``latest`` or a path means.

    Args:
        wanted: As typed.
        logs: Where outputs go.
        word: The key it was typed for, for the message.

    Raises:
        UserError: If there is none, or it is no sweep's folder.
    """
    if wanted == "latest":
        folder = logs / "sweeps" / "latest"
        if not folder.is_dir():
            raise UserError(f"{word}=latest: there is no sweep below {logs / 'sweeps'}: start one with make sweep")
        return folder.resolve()
    folder = Path(wanted.strip("'\"")).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"{word}={wanted} is no folder: give latest or a sweep's folder, as in {logs}/sweeps/NAME/DATE_TIME"
        )
    if not (folder / "multirun.yaml").is_file():
        inside = sorted(folder.glob("**/multirun.yaml"), key=lambda path: path.stat().st_mtime)
        hint = f"; did you mean {inside[-1].parent}?" if inside else ""
        raise UserError(f"{word}={wanted} is no sweep's folder: it holds no multirun.yaml{hint}")
    return folder
