"""What is known of every picture file, kept between scans: one row a file, valid as long as size and time of change stay.

SQLite, because a killed scan loses nothing that was committed, training reads only the bad rows, and several processes
may look at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import __version__ as pillow

from adain.runtime.errors import UserError

# Version 0.1 called a column grey: rows are read and written by their place.
_TABLE = """create table if not exists pictures (
    path text primary key, size integer, changed integer, conditions text, reason text,
    width integer, height integer, gray integer, digest blob, look blob)"""


class Seen(NamedTuple):
    """What a scan found out about one file.

    Attributes:
        path: Absolute.
        size: In bytes.
        changed: Time of the last change, in ns.
        conditions: Under which it was looked at: see ``conditions``.
        reason: Why it is no usable picture, in the words of ``read_picture``; None if it is one.
        width, height: In pixels, as stored; 0 if unknown.
        gray: Whether it has no color to speak of.
        digest: Of the file's bytes: equal for copies.
        look: Of the decoded picture, a perceptual hash (see ``scan.look``): near for near duplicates.
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
    look: bytes = b""


def conditions(max_pixels: int, min_side: int) -> str:
    """What besides the file decides whether a picture is usable. Findings under others are not used."""
    return f"pillow {pillow}, max_pixels {max_pixels}, min_side {min_side}"


class ScanCache:
    """The file that findings are kept in.

    Args:
        path: An SQLite file; made if missing.

    Raises:
        UserError: If it can be neither read nor made.
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

    def known(self, paths: Sequence[str], under: str) -> dict[str, Seen]:
        """Findings that still hold, by path: of files unchanged since, under the same conditions."""
        found: dict[str, Seen] = {}
        for start in range(0, len(paths), 500):  # SQLite takes a limited number of question marks
            part = paths[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._base.execute(f"select * from pictures where path in ({marks})", part):
                seen = Seen(*row)
                if seen.conditions == under and unchanged(seen.path, seen.size, seen.changed):
                    found[seen.path] = seen
        return found

    def add(self, findings: Iterable[Seen]) -> None:
        """Keeps findings, on disk when this returns."""
        with self._base:
            self._base.executemany(f"insert or replace into pictures values ({','.join('?' * 10)})", findings)

    def close(self) -> None:
        """Lets go of the file."""
        self._base.close()


def bad_pictures(path: str | Path | None, names: Iterable[str], under: str) -> dict[str, tuple[int, int, str]]:
    """What training passes over undecoded: size, time of change and reason of each bad file, by name.

    Args:
        path: A manifest. None, a missing or an unreadable one knows of nothing bad.
        names: Of the pictures that training reads.
        under: See ``conditions``.
    """
    if path is None or not Path(path).expanduser().is_file():
        return {}
    by_path = {os.path.abspath(name): name for name in names}
    try:
        return {by_path[file]: (size, changed, reason) for file, size, changed, reason in _bad_rows(Path(path), under)
                if file in by_path}  # fmt: skip
    except sqlite3.Error:  # pictures are then decoded to find out, as without a manifest
        return {}


def _bad_rows(path: Path, under: str) -> Iterator[tuple[str, int, int, str]]:
    base = sqlite3.connect(f"{path.expanduser().absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    try:
        wanted = "select path, size, changed, reason from pictures where reason is not null and conditions = ?"
        yield from base.execute(wanted, (under,))
    finally:
        base.close()


def unchanged(name: str, size: int, changed: int) -> bool:
    """Whether a file is still the one that was looked at."""
    try:
        now = os.stat(name)
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (size, changed)
