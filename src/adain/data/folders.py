"""The one way through a folder of pictures: kinds, order, hidden files and links are the same wherever folders are read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from adain.data.formats import picture_endings
from adain.runtime.errors import InputError

_SYSTEM = frozenset(
    {"@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "recycler",
     "system volume information", "lost+found", "network trash folder", "temporary items", "__macosx", "thumbs"}
)  # fmt: skip
"""Folders, in lower case, in which a NAS, a file system or a viewer keeps thumbnails, deleted files and old versions."""


def is_visible(path: str | Path, endings: Collection[str] | None = None) -> bool:
    """Return whether a relative path has one of the endings, by default a picture's, and no hidden or system folder."""
    *folders, name = Path(path).parts
    allowed = picture_endings() if endings is None else endings
    return os.path.splitext(name)[1].lower() in allowed and not any(map(_is_hidden, (*folders, name)))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def walk(
    root: str | Path, endings: Collection[str] | None = None, skip: Path | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder below ``root`` that holds files of these endings, ``root`` first, one at a time.

    Hidden files, hidden folders, and folders of thumbnails and deleted files are left out. Links are followed, but no
    folder is entered twice, so a link back to a folder above does no harm.

    A folder below ``root`` that cannot be read is yielded as a file of its parent. Whoever reads that "picture" then
    treats it as an unreadable one: it is skipped, listed, and not forgotten.

    Args:
        root: Where to begin.
        endings: In lower case, with the dot; by default those of pictures.
        skip: A folder, as ``Path.resolve`` gives it, that is not entered, nor anything below it, unless ``root`` is there.

    Yields:
        The folder, which begins with ``root``, and its files' names in order. Folders come in order, too.

    Raises:
        InputError: If ``root`` cannot be read.
    """
    if skip is not None and Path(os.path.realpath(root)).is_relative_to(skip):
        skip = None
    seen: set[str] = set()
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen or (skip is not None and Path(real).is_relative_to(skip)):
            continue
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            if not seen:
                raise InputError(
                    f"the folder {root} cannot be read ({error.strerror}): check its permissions"
                ) from None
            parent, name = os.path.split(folder)
            yield parent, [name]
            continue
        seen.add(real)
        folders = [entry.path for entry in entries if _leads_to_folder(entry) and not _is_hidden(entry.name)]
        waiting += reversed(folders)
        if names := [e.name for e in entries if is_visible(e.name, endings) and (e.is_symlink() or e.is_file())]:
            yield folder, [name for name in names if os.path.join(folder, name) not in folders]
