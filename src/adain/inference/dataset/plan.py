"""What a stylized data set consists of: which picture, in which style, under which name, by which shard.

Every choice is a function of (seed, relative name) and of the list of styles, so that shards, order, resuming and
whatever else lies in the content folder cannot change it. Folders are walked one at a time; nothing grows with the
number of pictures but the largest single folder's list of names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from adain.data.folders import walk
from adain.runtime.errors import UserError
from adain.runtime.files import fitting_name, folded, ignores_case

KEPT = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp"})
"""Endings that ``format=keep`` leaves as they are. The others become ``.png``."""


class Job(NamedTuple):
    """One picture to make.

    Attributes:
        content: The content's path below its folder, with ``/``.
        style: Place of the style in the list of styles.
        copy: Which of the content's stylized copies, from 1.
        output: The path below the output folder, with ``/``.
    """

    content: str
    style: int
    copy: int
    output: str


class Plan(NamedTuple):
    """Everything that decides what is made.

    Attributes:
        content: The content folder.
        styles: How many styles there are.
        seed: Of the choice of styles.
        styles_per_picture: Stylized copies of each content, each in another style.
        format: ``"keep"``, ``"jpg"``, ``"png"`` or ``"webp"``.
        shard, shards: Which part of the contents, counted from 0, of how many.
        out: Where the pictures go: no content, even where a link leads there.
    """

    content: Path
    styles: int
    seed: int = 0
    styles_per_picture: int = 1
    format: str = "keep"
    shard: int = 0
    shards: int = 1
    out: Path | None = None

    def jobs(self) -> Iterator[Job]:
        """Yield this shard's jobs, folder by folder, names in order.

        Raises:
            UserError: If a folder cannot be read.
        """
        for folder, names in _relative(self.content, self.out):
            for content in (f"{folder}{name}" for name in names):
                if self._mine(content):
                    pairs = zip(self._outputs(content), self._styles(content), strict=True)
                    for copy, (output, style) in enumerate(pairs, start=1):
                        yield Job(content, style, copy, output)

    def survey(self) -> tuple[int, int]:
        """Return how many contents there are in all, and how many jobs in this shard.

        Raises:
            UserError: If a folder cannot be read, or two contents, of whatever shard, would get one name.
        """
        alike = folded if self.out is not None and ignores_case(self.out) else str
        folders: dict[str, str] = {}
        every = mine = 0
        for folder, names in _relative(self.content, self.out):
            made: dict[str, str] = {}
            if alike is folded and (other := folders.setdefault(folded(folder), folder)) != folder:
                raise UserError(
                    f"{other} and {folder} would become one folder, because out={self.out} ignores case: rename one of them"
                )
            for name in names:
                output = self._outputs(f"{folder}{name}")[0]
                if (other := made.setdefault(alike(output), name)) != name:
                    raise UserError(
                        f"{folder}{other} and {folder}{name} would both become {output}: rename one of them"
                        + ("" if self.format == "keep" or alike is folded else ", or give format=keep")
                    )
                every += 1
                mine += self._mine(f"{folder}{name}")
        return every, mine * self.styles_per_picture

    def _mine(self, content: str) -> bool:
        return _number(b"shard", content) % self.shards == self.shard

    def _outputs(self, content: str) -> list[str]:
        path = PurePosixPath(content)
        kept = self.format == "keep"
        ending = (path.suffix if path.suffix.lower() in KEPT else ".png") if kept else f".{self.format}"
        if self.styles_per_picture == 1:
            return [str(path.with_name(fitting_name([path.stem], ending)))]
        copies = range(1, self.styles_per_picture + 1)
        return [str(path.with_name(fitting_name([path.stem, f"_{k}"], ending))) for k in copies]

    def _styles(self, content: str) -> list[int]:
        """Return different styles, drawn with a hash: no generator's stream, which may change between versions of a library."""
        chosen: list[int] = []
        draw = 0
        while len(chosen) < self.styles_per_picture:
            style = _number(b"style %d %d" % (self.seed, draw), content) % self.styles
            if style not in chosen:
                chosen.append(style)
            draw += 1
        return chosen


def _relative(root: Path, out: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Yield what ``walk`` yields, each folder by its name below ``root``: empty, or ending in ``/``."""
    for folder, names in walk(root, skip=None if out is None else out.resolve()):
        relative = os.path.relpath(folder, root)
        yield ("" if relative == "." else relative.replace(os.sep, "/") + "/"), names


def list_styles(root: Path, out: Path | None = None) -> tuple[list[str], str]:
    """Return the style pictures' relative names, in order, and a digest of names and file sizes that identifies the folder.

    Pictures in ``out`` are left out, even where a link leads there.

    Raises:
        UserError: If there is none, or a folder cannot be read.
    """
    names = sorted(f"{folder}{name}" for folder, files in _relative(root, out) for name in files)
    if not names:
        raise UserError(f"style={root} holds no picture: give a folder of pictures")
    digest = hashlib.sha256()
    for name in names:
        try:
            size = (root / name).stat().st_size
        except OSError:
            size = -1
        digest.update(os.fsencode(name) + b"\0%d\0" % size)
    return names, digest.hexdigest()


def substitutes(style: int, names: Sequence[str], attempts: int) -> Iterator[int]:
    """Yield the style itself, then those that replace it if it cannot be read: a function of its name."""
    yield style
    for attempt in range(attempts - 1):
        yield _number(b"substitute %d" % attempt, names[style]) % len(names)


def _number(purpose: bytes, name: str) -> int:
    """64 bits of a name, different for each purpose."""
    return int.from_bytes(hashlib.blake2b(purpose + b"\0" + os.fsencode(name), digest_size=8).digest(), "big")
