"""Atomic writes, checks that a folder is writable, and locks."""

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
    """Yield a temporary name beside ``path``, with the same suffix, that replaces ``path`` if the block succeeds.

    A reader of ``path`` sees the old content or the new, never a part of it, even if the process is killed.
    """
    part = path.with_name(f".{path.stem[-100:]}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file atomically; text is encoded as UTF-8."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists. A dangling link counts as existing."""
    nearest = folder.absolute()
    while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
        nearest = nearest.parent
    return nearest


def check_writable(folder: Path) -> None:
    """Check that an output folder can be created and written to, without creating it.

    Raises:
        UserError: If it cannot.
    """
    try:
        with tempfile.TemporaryDirectory(dir=existing(folder)):  # permission bits alone are wrong for /proc, say
            pass
    except OSError as error:
        raise UserError(f"out={folder} cannot be written ({error.strerror}): give another folder") from None


@contextlib.contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a file lock. The system releases it when the process ends, however it ends.

    Args:
        path: The lock file; it is not deleted.
        wait: Whether to wait until another process releases the lock.

    Yields:
        Whether the lock is held: False if another process has it and ``wait`` is False.
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


def relative(path: Path) -> Path:
    """Return a path as a user would type it here."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def point_latest(link: Path, folder: Path) -> None:
    """Make ``.../latest`` point at the newest run or sweep."""
    part = link.with_name(f".{link.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(folder.resolve(), target_is_directory=True)
        part.replace(link)
    except OSError as error:  # a file system without links
        print(f"{link} could not be pointed at {folder} ({error.strerror})")
