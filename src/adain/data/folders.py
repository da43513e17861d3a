"""The one way through a folder of pictures: order, hidden files and links are the same wherever folders are read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from adain.runtime.errors import UserError
from adain.runtime.schema import EXTENSIONS


def is_visible(name: str, endings: Collection[str] = EXTENSIONS) -> bool:
    """Return whether a file's name has one of the endings, in upper or lower case, and is not hidden."""
    return os.path.splitext(name)[1].lower() in endings and not name.startswith(".")


def walk(
    root: str | Path,
    endings: Collection[str] = EXTENSIONS,
    skip: Path | None = None,
    ignore_unreadable: bool = False,
) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder below ``root`` that holds files of these endings, ``root`` first, one at a time.

    Hidden files and folders are left out. Links are followed, but no folder is entered twice, so a link back to a folder
    above does no harm.

    Args:
        root: Where to begin.
        endings: In lower case, with the dot.
        skip: A folder below ``root``, as ``Path.resolve`` gives it, that is not entered.
        ignore_unreadable: Pass over folders that may not be read.

    Yields:
        The folder, which begins with ``root``, and its files' names in order. Folders come in order, too.

    Raises:
        UserError: If a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}): check its permissions")

    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=None if ignore_unreadable else refuse):
        real = os.path.realpath(folder)
        skipped = skip is not None and Path(real) == skip and Path(folder) != Path(root)
        if real in seen or skipped:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if names := sorted(name for name in files if is_visible(name, endings)):
            yield folder, names
