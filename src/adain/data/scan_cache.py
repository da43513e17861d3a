"""A cache of scan results: one row per picture file, valid while the file's size and modification time stay the same.

It is an SQLite file, so a killed scan keeps what was committed, training reads only the bad rows, and several processes
can read at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import __version__ as pillow

from adain.runtime.errors import UserError

# Column names are those of version 0.1, except for its "grey"; rows are read and written by position.
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
        width, height: Stored size in pixels; 0 if unknown.
        gray: Whether the picture has hardly any color.
        digest: Hash of the file's bytes, equal for exact copies.
        perceptual_hash: ``scan.perceptual_hash`` of the decoded picture, near for near-duplicates.
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
    perceptual_hash: bytes = b""


def conditions(max_pixels: int, min_side: int) -> str:
    """Return what decides, besides the file, whether a picture is usable. Results under other conditions are not used."""
    return f"pillow {pillow}, max_pixels {max_pixels}, min_side {min_side}"


class ScanCache:
    """The SQLite file that keeps scan results.

    Args:
        path: The file; created if missing.

    Raises:
        UserError: If it can be neither opened nor created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=60)
            self._base.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"the manifest {path} cannot be opened ({error}): remove it, or give another with data.manifest=PATH"
            ) from None

    def known(self, paths: Sequence[str], under: str) -> dict[str, ScanResult]:
        """Return the results that still hold, by path: those of unchanged files under the same conditions."""
        valid: dict[str, ScanResult] = {}
        for start in range(0, len(paths), 500):  # SQLite limits the number of parameters
            part = paths[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._base.execute(f"select * from pictures where path in ({marks})", part):
                seen = ScanResult(*row)
                if seen.conditions == under and unchanged(seen.path, seen.size, seen.changed):
                    valid[seen.path] = seen
        return valid

    def add(self, findings: Iterable[ScanResult]) -> None:
        """Store results; they are on disk when this returns."""
        with self._base:
            self._base.executemany(f"insert or replace into pictures values ({','.join('?' * 10)})", findings)

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
    if path is None or not Path(path).expanduser().is_file():
        return {}
    by_path = {os.path.abspath(name): name for name in names}
    try:
        return {by_path[file]: (size, changed, reason) for file, size, changed, reason in _bad_rows(Path(path), under)
                if file in by_path}  # fmt: skip
    except sqlite3.Error:  # training then decodes every picture, as without a manifest
        return {}


def _bad_rows(path: Path, under: str) -> Iterator[tuple[str, int, int, str]]:
    base = sqlite3.connect(f"{path.expanduser().absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    try:
        query = "select path, size, changed, reason from pictures where reason is not null and conditions = ?"
        yield from base.execute(query, (under,))
    finally:
        base.close()


def unchanged(name: str, size: int, changed: int) -> bool:
    """Return whether a file still has the size and modification time of its scan."""
    try:
        now = os.stat(name)
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (size, changed)
