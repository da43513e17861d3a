"""Stream a data set of the Hugging Face hub, or local parquet files, row by row."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from adain.data.picture import MAX_PIXELS, PictureError, decode_picture
from adain.data.sources import CHECK_SIDE, MAX_SUBSTITUTES, IndexedSource, Place, Sample
from adain.runtime.errors import InputError, first_line
from adain.runtime.extras import install_command


class HubSource:
    """A streamed data set with a column of pictures. Rows are downloaded only when needed.

    Each loader worker of each rank decodes its own rows, shuffled within a buffer. It must receive the whole stream to
    find them, so traffic grows with ranks x workers. When a run resumes, rows already consumed are skipped without
    decoding, and whole passes at once if the data set states its number of rows. The order stays the same as long as
    the numbers of ranks and workers do.

    Args:
        path: A data set's name on the hub, or ``"parquet"`` with ``data_files``.
        split: The split to read.
        column: The column that holds the pictures.
        name: The data set's configuration, if it has several.
        data_files: Local files, for ``path="parquet"``.
        revision: A commit of the data set, which makes a run repeatable.
        buffer: Size of the shuffle buffer, in rows. A larger one mixes better and starts slower.
        max_pixels: Larger pictures are skipped and counted.
        min_side: Pictures with a shorter side below this are skipped and counted.
        skip: Leading rows to leave out, because they are held out.
    """

    def __init__(
        self,
        path: str,
        split: str = "train",
        column: str = "image",
        name: str | None = None,
        data_files: str | Sequence[str] | None = None,
        revision: str | None = None,
        buffer: int = 1000,
        max_pixels: int = MAX_PIXELS,
        min_side: int = 16,
        skip: int = 0,
    ) -> None:
        self.given: dict[str, Any] = {
            "path": path, "split": split, "column": column, "name": name, "data_files": data_files,
            "revision": revision, "buffer": buffer, "max_pixels": max_pixels, "min_side": min_side,
        }  # fmt: skip
        self.path, self.column, self.buffer, self.skip = path, column, buffer, skip
        self.max_pixels, self.min_side = max_pixels, min_side

    def _rows(self) -> Any:
        """Open the data set, pictures still encoded. Every worker opens it: an open stream cannot be pickled."""
        try:
            import datasets
        except ImportError:
            raise InputError(f"streaming needs the package `datasets`: {install_command('hub')}") from None
        given = {k: self.given[k] for k in ("path", "split", "name", "data_files", "revision")}
        try:
            rows: Any = datasets.load_dataset(**given, streaming=True)
            columns = rows.column_names or list(rows.features or {})
            if columns and self.column not in columns:
                raise InputError(
                    f"the data set {self.path} has no column {self.column!r}: choose one of {', '.join(columns)}"
                )
            return rows.cast_column(self.column, datasets.Image(decode=False))
        except InputError:
            raise
        except Exception as error:  # datasets raises many unrelated exception types
            raise InputError(
                f"the data set {self.path} (split {self.given['split']}) cannot be opened: {first_line(error)}; check its name "
                "and the network"
            ) from None

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """See ``Source``."""
        logical = (place.first + place.worker) % place.workers  # workers take batches in turn
        lane, lanes = place.rank * place.workers + logical, place.world * place.workers
        done = len(range(logical, place.first, place.workers)) * place.batch_size
        all_rows = self._rows()
        total = rows_of(all_rows, self.given["split"])
        per_pass = 0 if total is None else len(range(lane, total - self.skip, lanes))
        passes, done = divmod(done, per_pass) if per_pass else (0, done)
        rows = all_rows.skip(self.skip)
        skipped: list[str] = []
        for turn in itertools.count(passes):
            usable = False  # whether this pass yielded a row, or skipped one that was consumed before
            for number, row in enumerate(self._each(rows.shuffle(seed=seed + turn, buffer_size=self.buffer))):
                if number % lanes != lane:
                    continue
                if done:
                    usable = True
                    done -= 1
                    continue
                name = f"{self.path}[{turn}:{number}]"
                try:
                    picture = self._decode(row, at_least)
                except PictureError as error:
                    skipped.append(f"{name}: {error}")
                    if len(skipped) >= MAX_SUBSTITUTES:
                        raise InputError(
                            f"{len(skipped)} consecutive rows of {self.path} held no usable picture; the last was "
                            f"{skipped[-1]}: check the column {self.column!r}"
                        ) from None
                    continue
                usable = True
                missing, lines, skipped = len(skipped), tuple(skipped), []
                for _ in range(missing + 1):  # the next good row replaces bad ones, so that the count stays right
                    yield Sample(name, picture, lines)
                    lines = ()
            if not usable:
                raise InputError(
                    f"the data set {self.path} has fewer than {lanes} usable rows after the {self.skip} held-out ones: "
                    "lower num_workers or val_pairs"
                )

    def _each(self, rows: Any) -> Iterator[dict[str, Any]]:
        """Yield all rows. ``iter`` does not split them among loader workers, as plain iteration does, file by file."""
        try:
            for batch in rows.iter(batch_size=1):
                yield {self.column: batch[self.column][0]}
        except Exception as error:  # as in `_rows`: a broken file, a lost connection, ...
            raise InputError(
                f"reading the data set {self.path} failed: {first_line(error)}; check the column {self.column!r} and the "
                "network, then resume"
            ) from None

    def _decode(self, row: dict[str, Any], at_least: int) -> Image.Image:
        cell = row[self.column]
        if not isinstance(cell, dict) or not (cell.get("bytes") or cell.get("path")):
            raise PictureError("the row holds no picture")
        if not cell.get("bytes"):
            raise PictureError(f"the row only names a file ({cell['path']})")
        return decode_picture(io.BytesIO(cell["bytes"]), at_least, self.max_pixels, self.min_side, own_colors=True)

    def split(self, held_out: int) -> tuple[HubSource, IndexedSource]:
        """See ``Source``. The first readable rows are held out; unreadable ones among them are skipped and counted."""
        pictures: dict[str, dict[str, Any]] = {}
        skipped: list[str] = []
        taken = 0
        for row in self._each(self._rows().skip(self.skip)):
            name = f"{self.path}[held-out {taken}]"
            taken += 1
            try:
                self._decode(row, CHECK_SIDE)
                pictures[name] = row
            except PictureError as error:
                skipped.append(f"{name}: {error}")
            if len(pictures) == held_out or len(skipped) == MAX_SUBSTITUTES:
                break
        if not taken:
            raise InputError(f"the data set {self.path} (split {self.given['split']}) has no rows")
        if not pictures:
            raise InputError(
                f"none of the first {taken} rows of {self.path} holds a usable picture; the last was {skipped[-1]}: check "
                f"the column {self.column!r}"
            )
        held = _Rows(self, pictures)
        held.skipped = tuple(skipped)
        return HubSource(**self.given, skip=self.skip + taken), held


def rows_of(data: Any, split: str) -> int | None:
    """Return the number of rows that a streamed data set states, or None if it states none, as with local files."""
    splits = getattr(data.info, "splits", None) or {}
    return int(splits[split].num_examples) or None if split in splits else None


class _Rows(IndexedSource):
    """A few rows in memory, still encoded."""

    def __init__(self, source: HubSource, rows: dict[str, dict[str, Any]]) -> None:
        self.source, self.rows = source, rows
        super().__init__(list(rows))

    def read(self, name: str, at_least: int) -> Image.Image:
        return self.source._decode(self.rows[name], at_least)

    def subset(self, names: Sequence[str]) -> _Rows:
        return _Rows(self.source, {name: self.rows[name] for name in names})
