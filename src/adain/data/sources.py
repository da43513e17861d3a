"""Picture sources: their interface, and pictures in folders.

A source gives one worker of one rank an endless, seeded stream of pictures that can start anywhere (``open``), and a
fixed list of held-out pictures (``split``).
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

from adain.data.folders import walk
from adain.data.picture import MAX_PIXELS, PictureError, decode_picture
from adain.data.scan_cache import bad_pictures, conditions, unchanged
from adain.runtime.errors import InputError
from adain.runtime.files import expanded

MAX_SUBSTITUTES = 100
"""After this many consecutive unreadable pictures the run stops with an error: it is not bad luck."""

CHECK_SIDE = 64
"""Shorter side, in pixels, at which pictures are decoded for a check: fast for JPEG, yet the whole file is read."""


class Place(NamedTuple):
    """The part of the global stream that one worker reads, and where it starts.

    Global batch b, counted over the whole run, starts at pair ``b * world * batch_size``. Rank r gets the r-th share of
    it. Worker w loads every ``workers``-th batch of its rank, starting with ``first + w``. All randomness of a pair
    comes from its number, so ranks, workers, prefetching and resuming do not change pair k.

    Attributes:
        rank, world: This process, and the number of processes.
        worker, workers: This loader worker, and their number in this process.
        batch_size: Pairs per rank and batch.
        first: Batches that each rank has already consumed.
    """

    rank: int = 0
    world: int = 1
    worker: int = 0
    workers: int = 1
    batch_size: int = 1
    first: int = 0

    def numbers(self) -> Iterator[int]:
        """Yield the global numbers of this worker's pairs, without end."""
        for batch in itertools.count(self.first + self.worker, self.workers):
            start = (batch * self.world + self.rank) * self.batch_size
            yield from range(start, start + self.batch_size)


class Sample(NamedTuple):
    """One decoded picture of a stream.

    Attributes:
        name: The source's name for it, for messages and tables.
        picture: The decoded picture.
        skipped: Names and reasons of unreadable pictures skipped before this one.
    """

    name: str
    picture: Image.Image
    skipped: tuple[str, ...] = ()


class Source(Protocol):
    """The interface of every source, as the data module uses it."""

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """Yield this worker's pictures without end, shorter sides of at least ``at_least`` pixels if the files allow."""
        ...

    def split(self, held_out: int) -> tuple[Source, IndexedSource]:
        """Return this source without its held-out pictures, and the held-out pictures as a fixed list."""
        ...


class IndexedSource(ABC):
    """A source with a known number of pictures, any of which can be read by name.

    Args:
        names: One name per picture, in a fixed order.

    Attributes:
        skipped: For a held-out part, names and reasons of unreadable pictures skipped while choosing it.
    """

    skipped: tuple[str, ...] = ()

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def read(self, name: str, at_least: int) -> Image.Image:
        """Return the named picture, its shorter side at least ``at_least`` pixels if the file allows.

        Colors may still be those of an embedded profile: apply ``picture.to_rgb`` to the part that is used.

        Raises:
            PictureError: If the picture cannot be read.
        """

    @abstractmethod
    def subset(self, names: Sequence[str]) -> IndexedSource:
        """Return the same source with only these pictures."""

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """See ``Source``. Each pass over the pictures is a new permutation, seeded by ``seed`` and the pass number."""
        order, current = np.arange(0), -1
        for number in place.numbers():
            turn, position = divmod(number, len(self))
            if turn != current:
                order, current = np.random.default_rng([seed, turn]).permutation(len(self)), turn
            yield self._readable(int(order[position]), [seed, number], at_least)

    def _readable(self, index: int, seed: list[int], at_least: int) -> Sample:
        """Return the picture at ``index``, or the first readable substitute, chosen at random from the pair's number."""
        skipped: list[str] = []
        substitutes = np.random.default_rng([*seed, 1])
        for _ in range(MAX_SUBSTITUTES):
            name = self.names[index]
            try:
                return Sample(name, self.read(name, at_least), tuple(skipped))
            except PictureError as error:
                skipped.append(f"{name}: {error}")
                index = int(substitutes.integers(len(self)))
        raise InputError(
            f"{MAX_SUBSTITUTES} pictures in a row could not be read; the last was {skipped[-1]}: check the folder"
        )

    def split(self, held_out: int) -> tuple[IndexedSource, IndexedSource]:
        """See ``Source``. The readable pictures whose names have the lowest hashes are held out.

        The choice therefore does not depend on the order or location of folders, and adding a picture rarely changes
        it: only if the new hash is among the lowest (it then replaces another picture, which joins the training
        part), or if a source of fewer than ``5 * held_out`` pictures grows enough to hold out one more. A renamed file
        counts as a new picture. Every run lists its pairs in ``held_out.csv``; a ``held_out`` file fixes them
        (``FolderSource``).

        A source of fewer than ``5 * held_out`` pictures holds out a fifth, but at least one. A single picture serves
        for both training and validation. Unreadable pictures are skipped and counted; they stay in the training part,
        so that its length, and with it the order of the others, does not depend on them.

        Raises:
            InputError: If no picture can be read.
        """
        if len(self) == 1:
            return self, self
        count = max(1, min(held_out, len(self) // 5))
        ranked = sorted(self.names, key=lambda name: hashlib.sha256(os.fsencode(Path(name).name)).digest())
        chosen, skipped = list[str](), list[str]()
        for name in ranked:
            try:
                self.read(name, CHECK_SIDE)
                chosen.append(name)
            except PictureError as error:
                skipped.append(f"{name}: {error}")
            if len(chosen) == count or len(skipped) == MAX_SUBSTITUTES:
                break
        if not chosen:
            raise InputError(
                f"none of {len(skipped)} pictures could be read; the last was {skipped[-1]}: check the folder"
            )
        kept = set(chosen)
        held = self.subset(chosen)
        held.skipped = tuple(skipped)
        return self.subset([name for name in self.names if name not in kept]), held


class FolderSource(IndexedSource):
    """All picture files below one or several folders.

    Args:
        roots: One folder or several, searched recursively, or single picture files. What several hold is taken once.
        max_pixels: Larger pictures are skipped and counted.
        min_side: Pictures with a shorter side below this are skipped and counted.
        held_out: A text file that names held-out pictures, one per line (a file name or the end of a path), or several
            such files. Those of the first are used for validation; no training sees those of any.
        manifest: The file in which ``make doctor`` keeps its results (see ``scan_cache``). Pictures it lists as bad are
            skipped without decoding: the same pictures, for the same reasons, as without it.
        names, bad: Used by ``subset``.

    Raises:
        InputError: If a root is missing, unreadable, or holds no picture files.
    """

    def __init__(
        self,
        roots: str | Sequence[str],
        max_pixels: int = MAX_PIXELS,
        min_side: int = 16,
        held_out: str | Sequence[str] | None = None,
        manifest: str | None = None,
        names: Sequence[str] | None = None,
        bad: dict[str, tuple[int, int, str]] | None = None,
    ) -> None:
        self.roots = [roots] if isinstance(roots, str) else list(roots)
        self.max_pixels, self.min_side = max_pixels, min_side
        self.held_out = [held_out] if isinstance(held_out, str) else list(held_out or ())
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
        """See ``Source``. Uses the ``held_out`` files if there are any."""
        if not self.held_out:
            return super().split(held_out)
        chosen, *others = (self._listed(expanded(file)) for file in self.held_out)
        kept = set(chosen).union(*others)
        if len(kept) == len(self):
            raise InputError(
                f"held_out={','.join(self.held_out)} names all {len(self)} pictures below {', '.join(self.roots)}: leave "
                "some to train on"
            )
        return self.subset([name for name in self.names if name not in kept]), self.subset(chosen)

    def _listed(self, path: Path) -> list[str]:
        """Return the pictures that a file names."""
        if not path.is_file():
            raise InputError(f"held_out={path} does not exist: give a text file with one picture name a line")
        listed = {
            Path(line.strip()).parts
            for line in path.read_text("utf-8", errors="surrogateescape").splitlines()
            if line.strip()
        }
        lengths = {len(parts) for parts in listed}
        chosen = [name for name in self.names if any(Path(name).parts[-n:] in listed for n in lengths)]
        if not chosen or len(chosen) == len(self):
            raise InputError(
                f"held_out={path} names {len(chosen)} of the {len(self)} pictures below {', '.join(self.roots)}: "
                "it must name at least one and not all"
            )
        return chosen


def _list_pictures(roots: Sequence[str]) -> list[str]:
    if not roots:
        raise InputError("no picture folder is given: give one, or a list of them")
    names: dict[str, str] = {}  # by where they really are: a root may be given twice, or below another
    for root in map(os.path.expanduser, roots):
        if os.path.isfile(root):
            names.setdefault(os.path.realpath(root), root)
            continue
        if not os.path.isdir(root):
            raise InputError(f"the picture folder {root} does not exist: check the path")
        empty = True
        for folder, files in walk(root):
            empty, real = False, os.path.realpath(folder)
            for file in files:
                names.setdefault(os.path.join(real, file), os.path.join(folder, file))
        if empty:
            raise InputError(
                f"the picture folder {root} holds no picture: give a folder of .jpg, .png or other pictures"
            )
    return list(names.values())
