"""A cache of scan results: one row per picture file, valid while the file's size and modification time stay the same.

It is an SQLite file, so a killed scan keeps what was committed, training reads only the bad rows, and several processes
can read at once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import __version__ as pillow

from adain.data.formats import pillow_formats
from adain.runtime.errors import InputError
from adain.runtime.files import expanded

# Columns are those of version 0.1, except for its "grey", and its "look", which is no longer filled. Rows are read and
# written by position. A path that is not UTF-8 is kept as bytes.
_TABLE = """create table if not exists pictures (
    path text primary key, size integer, changed integer, conditions text, reason text,
    width integer, height integer, gray integer, digest blob, look blob)"""


class ScanResult(NamedTuple):
    """The scan result of one file.

    Attributes:
        path: Absolute path.
        size: File size in bytes.
        changed: Modification time in ns.
        conditions: What the result depends on besides the file; see ``conditions``.
        reason: Why the picture is unusable, as ``read_picture`` words it; None if it is usable.
        width, height: Size in pixels, upright; 0 if unknown.
        gray: Whether the picture has hardly any color.
        digest: Hash of the file's bytes, equal for exact copies.
    """

    path: str
    size: int
    changed: int
    conditions: str
    reason: str | None
    width: int = 0
    height: int = 0
    gray: bool = False
    digest: bytes = b""


def conditions(max_pixels: int, min_side: int) -> str:
    """Return what decides, besides the file, whether a picture is usable. Results under other conditions are not used."""
    return f"pillow {pillow}, {len(pillow_formats())} formats, max_pixels {max_pixels}, min_side {min_side}"


class ScanCache:
    """The SQLite file that keeps scan results.

    Args:
        path: The file; created if missing.

    Raises:
        InputError: If it can be neither opened nor created, and later if it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60)
            self._base.execute(_TABLE)

    def known(self, paths: Sequence[str], under: str) -> dict[str, ScanResult]:
        """Return the results that still hold, by path: those of unchanged files under the same conditions."""
        valid: dict[str, ScanResult] = {}
        for start in range(0, len(paths), 500):  # SQLite limits the number of parameters
            part = paths[start : start + 500]
            query = f"select * from pictures where path in ({','.join('?' * len(part))})"
            with self._usable():
                rows = self._base.execute(query, [*map(_key, part)]).fetchall()
            for row in rows:
                seen = ScanResult(os.fsdecode(row[0]), *row[1:-1])
                if seen.conditions == under and unchanged(seen.path, seen.size, seen.changed):
                    valid[seen.path] = seen
        return valid

    def add(self, findings: Iterable[ScanResult]) -> None:
        """Store results; they are on disk when this returns."""
        with self._usable(), self._base:
            rows = [(_key(seen.path), *seen[1:], None) for seen in findings]
            self._base.executemany(f"insert or replace into pictures values ({','.join('?' * 10)})", rows)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the manifest {self.path} cannot be used ({error}): remove it, free disk space, or give another"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def bad_pictures(path: str | Path | None, names: Iterable[str], under: str) -> dict[str, tuple[int, int, str]]:
    """Return size, modification time and reason of each known bad file, by name. Training skips them undecoded.

    Args:
        path: A manifest. The result is empty if it is None, missing or unreadable.
        names: Names of the pictures that training reads.
        under: See ``conditions``.
    """
    if path is None or not expanded(path).is_file():
        return {}
    by_path = {_key(os.path.abspath(name)): name for name in names}
    query = "select path, size, changed, reason from pictures where reason is not null and conditions = ?"
    try:
        base = sqlite3.connect(f"{expanded(path).absolute().as_uri()}?mode=ro", uri=True, timeout=60)
        with contextlib.closing(base):
            rows = base.execute(query, (under,))
            return {by_path[file]: (size, changed, reason) for file, size, changed, reason in rows if file in by_path}
    except sqlite3.Error:  # training then decodes every picture, as without a manifest
        return {}


def _key(path: str) -> str | bytes:
    """Return a path as the table holds it: as bytes if it is not UTF-8, which SQLite's texts must be."""
    try:
        path.encode()
        return path
    except UnicodeEncodeError:
        return os.fsencode(path)


def unchanged(name: str, size: int, changed: int) -> bool:
    """Return whether a file still has the size and modification time of its scan."""
    try:
        now = os.stat(name)
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (size, changed)
