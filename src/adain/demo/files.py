"""The page's work folder: what visitors upload and what is painted for them, within a budget of bytes."""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import suppress
from pathlib import Path

from gradio_client.utils import strip_invalid_filename_characters

_MB = 2**20
# bytes kept: of one visitor's uploads, of all uploads, of results
_VISITOR, _UPLOADS, _PICTURES = 256 * _MB, 512 * _MB, 1024 * _MB
_LEAST = _MB // 2  # bytes that a file counts for: many tiny files are slow to list
_KEPT = 4 * 3600  # seconds


class Files:
    """Names and finds the page's files. When a budget is full, the oldest make room for the new.

    Args:
        folder: Of ``server.work_folder``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def upload(self, visitor: str, name: str) -> Path:
        """Return the path of a new upload.

        Args:
            visitor: Their address.
            name: The file's name as they gave it; folders and forbidden characters are removed.
        """
        owner = hashlib.sha256(visitor.encode()).hexdigest()[:16]
        return self._new(self.folder / "uploads" / owner, name)

    def picture(self, name: str) -> Path:
        """Return the path of a new picture of ours."""
        return self._new(self.folder / "pictures", name)

    def find(self, path: object) -> Path | None:
        """Return the file at a path that a visitor sent, if it is one of this folder."""
        if not isinstance(path, str):
            return None
        try:
            found = Path(path).resolve()
            return found if found.is_relative_to(self.folder) and found.is_file() else None
        except (OSError, ValueError):  # too long; a null byte
            return None

    def trim(self) -> None:
        """Delete files that are older than four hours or over a budget, the oldest first."""
        uploads = self.folder / "uploads"
        for folder in uploads.glob("*"):
            _trim(folder, _VISITOR)
        _trim(uploads, _UPLOADS)
        _trim(self.folder / "pictures", _PICTURES)

    @staticmethod
    def _new(folder: Path, name: str) -> Path:
        last = name.replace("\\", "/").rpartition("/")[2] or "picture"
        name = strip_invalid_filename_characters(last, 120).lstrip(".")
        made = folder / secrets.token_hex(16)
        made.mkdir(parents=True)
        return made / (name or "picture")


def _trim(folder: Path, most: int) -> None:
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # another visitor's request may delete it meanwhile
            if path.is_file():
                found.append((path.stat().st_mtime, path.stat().st_size, path))
    for made, size, path in sorted(found, reverse=True):
        most -= max(size, _LEAST)
        if most < 0 or time.time() - made > _KEPT:
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()  # unless another file is in it
