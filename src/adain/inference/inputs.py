"""The pictures and videos that a user's words mean: files, lists, folders and globs."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from adain.data.folders import is_visible, walk
from adain.data.formats import picture_endings
from adain.inference.request import check_pipe, is_live
from adain.inference.video.kinds import is_typescript, is_video
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.runtime.schema import VIDEO_EXTENSIONS


class Found(NamedTuple):
    """An input picture or video.

    Attributes:
        path: The file.
        name: What its results are named after: below a folder or glob, with the sub-folders; else the file's name.
        root: The folder that was searched, if one was.
        video: Whether it is a video, an animated picture, or a pipe, whose path is its word.
    """

    path: Path
    name: Path
    root: Path | None = None
    video: bool = False


def _words_of(key: str, value: Any) -> list[str]:
    """Return one word, or a list of them, as a list.

    Raises:
        UserError: If there is none, or one that is none.
    """
    words = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not words or any(word is None or word == "" for word in words):
        shown = str(words).replace("None", "null") if len(words) != 1 else "null"
        raise UserError(f"{key}={shown} cannot be used: give a picture, a list of them, a folder or a glob")
    return [str(word) for word in words]


def find_pictures(key: str, value: Any, outputs: Path | None = None) -> list[Found]:
    """Return every picture that a key's value names, in a fixed order, as often as named; of contents every video too.

    Args:
        key: For messages. Videos are found for ``content`` alone.
        value: A file, a folder (searched recursively; hidden files and other endings are left out), a glob, or a list.
            A file whose name holds glob characters is taken before the glob.
        outputs: The folder of results: not searched, so that results are not taken for inputs.

    Raises:
        UserError: If something is not there, or has no picture in it.
    """
    found: list[Found] = []
    skipped = outputs.resolve() if outputs else None
    endings = picture_endings() | VIDEO_EXTENSIONS if key == "content" else picture_endings()
    for word in _words_of(key, value):
        path = expanded(word)
        root: Path | None = None
        if key == "content" and is_live(word):
            check_pipe()
            found.append(Found(path, Path("pipe"), None, True))
            continue
        if path.is_dir():
            root, nothing = path, "is a folder without pictures: give a folder of pictures, or a picture"
            below = walk(path, endings, skipped)  # our own results are no inputs
            files = [Path(folder, name) for folder, names in below for name in names]
        elif path.is_file():
            files = [path]
        elif glob.has_magic(word):
            root, nothing = _fixed_part(path), "matches no picture: check the pattern, and quote it for the shell"
            hits = map(Path, sorted(glob.glob(str(path), recursive=True)))
            files = [hit for hit in hits if is_visible(hit.relative_to(root), endings) and hit.is_file()]
            files = [file for file in files if skipped is None or not file.resolve().is_relative_to(skipped)]
        elif key == "content" and re.fullmatch(r"camera:\d+|/dev/video\d+", word):
            raise UserError(
                f"content={word} cannot be used: cameras are read by the web page, or through a pipe with content=-"
            )
        else:
            raise UserError(f"{key}={word} does not exist: give a picture, a folder or a glob")
        if root is not None:
            files = [file for file in files if not is_typescript(file)]
            if not files:
                raise UserError(f"{key}={word} {nothing}")
        for file in files:
            name = Path(file.name) if root is None else file.relative_to(root)
            found.append(Found(file, name, root, key == "content" and is_video(file)))
    return found


def each_once(found: Sequence[Found]) -> list[Found]:
    """Return the inputs without repeats, such as links to a file that is there itself."""
    first: dict[Path, Found] = {}
    for one in found:
        first.setdefault(one.path.resolve(), one)
    return list(first.values())


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a glob before its first wildcard."""
    return Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1]))
