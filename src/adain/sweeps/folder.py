"""A sweep's folder: who works in it, and files that appear whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from adain.errors import UserError


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Holds a lock that the system gives back when the process ends, however it ends; False if another has it."""
    held = FileLock(path)
    try:
        held.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def write_whole(path: Path, text: str) -> None:
    """Writes a file beside and moves it into place."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


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
