"""Files that appear whole, and places that one process works in."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from adain.runtime.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path``, with its ending, to write to: it becomes ``path`` if the block ends without an error.

    Whoever reads ``path`` finds the old content or the new one, never a part, also where the process is killed.
    """
    part = path.with_name(f".{path.stem[-100:]}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file, text in UTF-8, that appears whole."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there. A link that leads nowhere is there."""
    there = folder.absolute()
    while not there.exists() and not there.is_symlink() and there != there.parent:
        there = there.parent
    return there


def check_writable(folder: Path) -> None:
    """Whether a folder of results can be made and written to; it is not made.

    Raises:
        UserError: If it cannot.
    """
    try:
        with tempfile.TemporaryDirectory(dir=existing(folder)):  # permissions alone tell too little: of /proc, say
            pass
    except OSError as error:
        raise UserError(f"out={folder} cannot be written ({error.strerror}): give another folder") from None


@contextlib.contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a lock that the system gives back when the process ends, however it ends.

    Args:
        path: The lock's own file; it stays.
        wait: Until another process gives it back.

    Yields:
        Whether the lock is held: False if another process has it and ``wait`` is not set.
    """
    held = FileLock(path)
    try:
        held.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()
