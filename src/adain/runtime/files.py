"""Atomic writes, checks that a folder is writable, and locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from adain.runtime.errors import UserError

try:
    import fcntl
except ImportError:  # not Unix
    fcntl = None  # type: ignore[assignment]

_MOMENT = 0.2  # seconds that ``is_locked`` may hold a lock, on a slow machine


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, with the same suffix, that replaces ``path`` if the block succeeds.

    A reader of ``path`` sees the old content or the new, never a part of it, even if the process is killed.
    """
    part = path.with_name(f".{fitting_name([path.stem], '', 100)}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def fitting_name(parts: Sequence[str], ending: str, most: int = 255) -> str:
    """Return the parts and the ending as one file name that file systems take.

    The longest parts of a name that is too long are cut, and a digest of the whole keeps different names apart.

    Args:
        parts: Joined as they are.
        ending: Kept whole.
        most: Bytes of the name. Characters outside ASCII have up to 4.
    """
    name, shown = "".join(parts), list(parts)
    if _bytes(name + ending) <= most:
        return name + ending
    digest = "-" + hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()
    while _bytes("".join(shown) + digest + ending) > most:
        longest = max(range(len(shown)), key=lambda index: _bytes(shown[index]))
        shown[longest] = shown[longest][:-1]
    return "".join(shown) + digest + ending


def _bytes(name: str) -> int:
    return len(os.fsencode(name))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file atomically; text is encoded as UTF-8, and file names in it that are not UTF-8 as they are."""
    with replacing(path) as part:
        part.write_bytes(content.encode(errors="surrogateescape") if isinstance(content, str) else content)


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~NAME`` at its start as that home folder. A user that there is not stays as typed."""
    return Path(os.path.expanduser(path))


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists. A dangling link counts as existing."""
    nearest = folder.absolute()
    while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
        nearest = nearest.parent
    return nearest


def folded(name: str | Path) -> str:
    """Return what is alike for names that a file system without upper case, or of macOS, takes for one."""
    return unicodedata.normalize("NFC", str(name).casefold())


def ignores_case(folder: Path) -> bool:
    """Return whether the file system of a folder, which need not exist yet, takes names in other case for one."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".case-", dir=existing(folder)) as probe:
            path = Path(probe.name)
            return path.with_name(path.name.swapcase()).exists()
    except OSError:  # it cannot be written, which is reported where it is written to
        return False


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
        held.acquire(timeout=-1 if wait else _MOMENT)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


def is_locked(path: Path) -> bool:
    """Return whether a process holds a file lock. The file may be missing, or readable alone."""
    if fcntl is None:
        with lock(path) as free:
            return not free
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is not there, may not be read, or its file system has no locks
        return False
    return False


def free_folder(folder: Path) -> Path:
    """Return the folder, or where it exists one with a number behind its name. Another process may be faster to make it."""
    free, number = folder, 2
    while os.path.lexists(free):
        free, number = folder.with_name(f"{folder.name}_{number}"), number + 1
    return free


def make_free_folder(folder: Path) -> Path:
    """Create the folder, or one with a number behind its name where another process created it in the same second."""
    while True:
        free = free_folder(folder)
        with contextlib.suppress(FileExistsError):  # another process was faster
            free.mkdir(parents=True)
            return free


def relative(path: Path) -> Path:
    """Return a path as a user would type it here."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def point_latest(link: Path, folder: Path) -> None:
    """Make ``.../latest`` point at the newest run or sweep; one beside or below it keeps its link where both are moved."""
    target, here = folder.resolve(), link.parent.resolve()
    target = target.relative_to(here) if target.is_relative_to(here) else target
    try:
        with replacing(link) as part:
            part.symlink_to(target, target_is_directory=True)
    except OSError as error:  # a file system without links
        print(f"{link} could not be pointed at {folder} ({error.strerror})")
