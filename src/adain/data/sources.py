"""Where pictures come from: folders, the sample pictures, a hub's data set, or made up.

A source hands pictures to one worker of one rank as an endless, seeded stream that can be entered at any place
(``open``), and a few held-out ones as a fixed list (``split``).
"""

from __future__ import annotations

import hashlib
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from adain.data.picture import EXTENSIONS, MAX_PIXELS, PictureError, decode_picture
from adain.data.scan_cache import bad_pictures, conditions, unchanged
from adain.runtime.errors import UserError

MAX_SUBSTITUTES = 100
"""So many unreadable pictures in a row are not bad luck: the run stops and says so."""

LOOK = 64
"""A short side, in pixels, at which a picture is only looked at: a JPEG file is decoded quickly, yet read to its end."""


class Place(NamedTuple):
    """Which part of the global stream one worker reads, and from where.

    The global batch b, counted over the whole run, holds pairs ``b * world * batch_size`` and on; rank r has the r-th
    share of it; worker w makes every ``workers``-th batch of its rank, beginning with ``first``. All of a pair's
    randomness is derived from its number, so neither ranks, workers, prefetching nor resuming change what pair k is.

    Attributes:
        rank, world: This process and how many there are.
        worker, workers: This loader worker and how many there are in this process.
        batch_size: Pairs per rank and batch.
        first: Batches already consumed by each rank when the stream is entered.
    """

    rank: int = 0
    world: int = 1
    worker: int = 0
    workers: int = 1
    batch_size: int = 1
    first: int = 0

    def numbers(self) -> Iterator[int]:
        """The global numbers of this worker's pairs, for ever."""
        for batch in itertools.count(self.first + self.worker, self.workers):
            start = (batch * self.world + self.rank) * self.batch_size
            yield from range(start, start + self.batch_size)


class Sample(NamedTuple):
    """One decoded picture of a stream.

    Attributes:
        name: What the source calls it, for messages and tables.
        picture: RGB.
        skipped: Names and reasons of unreadable pictures passed over on the way to this one.
    """

    name: str
    picture: Image.Image
    skipped: tuple[str, ...] = ()


class Source(Protocol):
    """What the data module asks of any source."""

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """An endless stream of this worker's pictures, their shorter sides of ``at_least`` pixels if the files have so many."""
        ...

    def split(self, held_out: int) -> tuple[Source, IndexedSource]:
        """This source without its held-out pictures, and those as a fixed list."""
        ...


class IndexedSource(ABC):
    """A source of countable pictures, each of which can be read at any time.

    Args:
        names: One name a picture, in a fixed order.

    Attributes:
        skipped: Of a held-out part, names and reasons of unreadable pictures passed over in choosing it.
    """

    skipped: tuple[str, ...] = ()

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def read(self, name: str, at_least: int) -> Image.Image:
        """The named picture, its shorter side of ``at_least`` pixels if the file has so many. Raises PictureError.

        What is used of it goes through ``picture.to_rgb``: its colors may still be those of its profile.
        """

    @abstractmethod
    def subset(self, names: Sequence[str]) -> IndexedSource:
        """The same source with only these pictures."""

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """See ``Source``. Each pass over the pictures is a permutation of its own, drawn from seed and pass."""
        order, current = np.arange(0), -1
        for number in place.numbers():
            turn, position = divmod(number, len(self))
            if turn != current:
                order, current = np.random.default_rng([seed, turn]).permutation(len(self)), turn
            yield self._readable(int(order[position]), [seed, number], at_least)

    def _readable(self, index: int, seed: list[int], at_least: int) -> Sample:
        """The picture at ``index``, or the first readable one of a sequence drawn from the pair's number."""
        skipped: list[str] = []
        substitutes = np.random.default_rng([*seed, 1])
        for _ in range(MAX_SUBSTITUTES):
            name = self.names[index]
            try:
                return Sample(name, self.read(name, at_least), tuple(skipped))
            except PictureError as error:
                skipped.append(f"{name}: {error}")
                index = int(substitutes.integers(len(self)))
        raise UserError(
            f"{MAX_SUBSTITUTES} pictures in a row could not be read, the last being {skipped[-1]}: check the folder"
        )

    def split(self, held_out: int) -> tuple[IndexedSource, IndexedSource]:
        """See ``Source``. The readable pictures whose names have the lowest hashes are held out.

        So the choice does not depend on the order or place of the folders, and a picture added later seldom changes
        it: only if its hash is among the lowest, when it takes the place of another, which is then trained on; or, in
        a source of fewer than ``5 * held_out`` pictures, by making room for one more. A file that is renamed is another
        picture. Every run lists its pairs in ``held_out.csv``; a ``held_out`` file fixes them (``FolderSource``).

        A source of fewer than ``5 * held_out`` pictures holds out a fifth, but at least one; a single picture is both
        trained on and shown. Unreadable pictures are passed over and counted; they stay in the training part, so that
        its length and with it the order of the others do not depend on them.

        Raises:
            UserError: If no picture can be read.
        """
        if len(self) == 1:
            return self, self
        count = max(1, min(held_out, len(self) // 5))
        ranked = sorted(self.names, key=lambda name: hashlib.sha256(os.fsencode(Path(name).name)).digest())
        chosen, skipped = list[str](), list[str]()
        for name in ranked:
            try:
                self.read(name, LOOK)
                chosen.append(name)
            except PictureError as error:
                skipped.append(f"{name}: {error}")
            if len(chosen) == count or len(skipped) == MAX_SUBSTITUTES:
                break
        if not chosen:
            raise UserError(
                f"none of {len(skipped)} pictures could be read, the last being {skipped[-1]}: check the folder"
            )
        kept = set(chosen)
        held = self.subset(chosen)
        held.skipped = tuple(skipped)
        return self.subset([name for name in self.names if name not in kept]), held


class FolderSource(IndexedSource):
    """Every picture file below any number of folders.

    Args:
        roots: One folder or several, searched recursively. A path of a single picture works too.
        max_pixels: Larger pictures are skipped and counted.
        min_side: So are pictures whose shorter side is below this.
        held_out: A text file that names held-out pictures, one a line (a file's name or the end of its path). Those
            are never trained on and are the validation pictures.
        manifest: A file in which ``make doctor`` kept what it found (see ``data.manifest``). Pictures it knows to be bad
            are passed over without being decoded again: the same ones, for the same reasons, as without it.
        names, bad: Used by ``subset``.

    Raises:
        UserError: If a root is missing, unreadable, or holds no picture files.
    """

    def __init__(
        self,
        roots: str | Sequence[str],
        max_pixels: int = MAX_PIXELS,
        min_side: int = 16,
        held_out: str | None = None,
        manifest: str | None = None,
        names: Sequence[str] | None = None,
        bad: dict[str, tuple[int, int, str]] | None = None,
    ) -> None:
        self.roots = [roots] if isinstance(roots, str) else list(roots)
        self.max_pixels, self.min_side, self.held_out = max_pixels, min_side, held_out
        super().__init__(_list_pictures(self.roots) if names is None else names)
        self.bad = bad_pictures(manifest, self.names, conditions(max_pixels, min_side)) if bad is None else bad

    def read(self, name: str, at_least: int) -> Image.Image:
        """See ``IndexedSource``."""
        if (known := self.bad.get(name)) is not None and unchanged(name, *known[:2]):
            raise PictureError(known[2])
        return decode_picture(Path(name), at_least, self.max_pixels, self.min_side, own_colors=True)

    def subset(self, names: Sequence[str]) -> FolderSource:
        """See ``IndexedSource``."""
        return FolderSource(self.roots, self.max_pixels, self.min_side, names=names, bad=self.bad)

    def split(self, held_out: int) -> tuple[IndexedSource, IndexedSource]:
        """See ``Source``: by the ``held_out`` file if there is one."""
        if self.held_out is None:
            return super().split(held_out)
        path = Path(self.held_out).expanduser()
        if not path.is_file():
            raise UserError(f"data.held_out={path} does not exist: give a text file with one picture name a line")
        listed = {Path(line.strip()).parts for line in path.read_text().splitlines() if line.strip()}
        lengths = {len(parts) for parts in listed}
        chosen = [name for name in self.names if any(Path(name).parts[-n:] in listed for n in lengths)]
        if not chosen or len(chosen) == len(self):
            raise UserError(
                f"data.held_out={path} names {len(chosen)} of the {len(self)} pictures below {', '.join(self.roots)}: "
                "it must name at least one and not all"
            )
        kept = set(chosen)
        return self.subset([name for name in self.names if name not in kept]), self.subset(chosen)


def _list_pictures(roots: Sequence[str]) -> list[str]:
    if not roots:
        raise UserError("no picture folder is given: set data.content and data.style to a folder or a list of folders")
    names: list[str] = []
    for root in map(os.path.expanduser, roots):
        if os.path.isfile(root):
            names.append(root)
            continue
        if not os.path.isdir(root):
            raise UserError(f"the picture folder {root} does not exist: check the path")
        if not os.access(root, os.R_OK | os.X_OK):
            raise UserError(f"the picture folder {root} may not be read: check its permissions")
        before, walked = len(names), set[str]()
        for folder, folders, files in os.walk(root, followlinks=True):
            if (real := os.path.realpath(folder)) in walked:  # a link back to a folder above, or a second one to it
                folders.clear()
                continue
            walked.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            names += [
                os.path.join(folder, file)
                for file in sorted(files)
                if os.path.splitext(file)[1].lower() in EXTENSIONS and not file.startswith(".")
            ]
        if len(names) == before:
            raise UserError(f"the picture folder {root} holds no picture ({', '.join(sorted(EXTENSIONS))})")
    return names
