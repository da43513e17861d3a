"""Data sets of the Hugging Face hub, or any parquet files of the same columns, streamed row by row."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from adain.data.picture import MAX_PIXELS, PictureError, decode_picture
from adain.data.sources import LOOK, MAX_SUBSTITUTES, IndexedSource, Place, Sample
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command


class HubSource:
    """A streamed data set with a column of pictures: nothing is downloaded before it is needed.

    Each loader worker of each rank decodes rows of its own, shuffled within a buffer, but is sent the whole stream to find
    them: ranks x workers times the traffic. On resuming, whole passes are left out where the data set says how many rows it
    has, and rows already consumed are passed over undecoded; the order is the same as long as ranks and workers are as
    many as before.

    Args:
        path: A data set's name on the hub, or ``"parquet"`` with ``data_files``.
        split: Which split to read.
        column: The column that holds the pictures.
        name: The data set's configuration, if it has several.
        data_files: Local files, for ``path="parquet"``.
        revision: A commit of the data set, so that a run can be repeated.
        buffer: Rows that are shuffled among each other. Larger is better mixed and slower to start.
        max_pixels: Larger pictures are skipped and counted.
        min_side: So are pictures whose shorter side is below this.
        skip: Leading rows left out: the held-out ones.
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
        """The data set, pictures still encoded. Loaded in each worker: an open stream cannot be sent to one."""
        try:
            import datasets
        except ImportError:
            raise UserError(f"data=hub needs the extra `hub`: {install_command('hub')}") from None
        given = {k: self.given[k] for k in ("path", "split", "name", "data_files", "revision")}
        try:
            rows: Any = datasets.load_dataset(**given, streaming=True)
            columns = rows.column_names or list(rows.features or {})
            if columns and self.column not in columns:
                raise UserError(
                    f"the data set {self.path} has no column {self.column!r}: choose one of {', '.join(columns)}"
                )
            return rows.cast_column(self.column, datasets.Image(decode=False))
        except UserError:
            raise
        except Exception as error:  # the library raises a different family of errors for every cause
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"the data set {self.path} (split {self.given['split']}) cannot be opened: {reason}; check its name "
                "and the network, or use data=folders"
            ) from None

    def open(self, seed: int, place: Place, at_least: int) -> Iterator[Sample]:
        """See ``Source``."""
        logical = (place.first + place.worker) % place.workers  # batches are dealt to workers in turn
        lane, lanes = place.rank * place.workers + logical, place.world * place.workers
        done = len(range(logical, place.first, place.workers)) * place.batch_size
        every = self._rows()
        total = rows_of(every, self.given["split"])
        own = 0 if total is None else len(range(lane, total - self.skip, lanes))
        passes, done = divmod(done, own) if own else (0, done)
        rows = every.skip(self.skip)
        skipped: list[str] = []
        for turn in itertools.count(passes):
            usable = False  # whether this pass brought anything, or passed over something it brought before
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
                        raise UserError(
                            f"{len(skipped)} rows of {self.path} in a row held no usable picture, the last being "
                            f"{skipped[-1]}: check data column {self.column!r}"
                        ) from None
                    continue
                usable = True
                missing, lines, skipped = len(skipped), tuple(skipped), []
                for _ in range(missing + 1):  # a bad row's place is taken by the next good one: rows can be counted
                    yield Sample(name, picture, lines)
                    lines = ()
            if not usable:
                raise UserError(
                    f"the data set {self.path} has fewer than {lanes} usable rows after the {self.skip} held-out ones: "
                    "lower data.num_workers or data.val_pairs"
                )

    def _each(self, rows: Any) -> Iterator[dict[str, Any]]:
        """The rows one by one. ``iter`` leaves them whole, where plain iteration deals files to loader workers."""
        try:
            for batch in rows.iter(batch_size=1):
                yield {self.column: batch[self.column][0]}
        except Exception as error:  # as many families as in `_rows`: a broken file, a lost connection, ...
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"the data set {self.path} cannot be read on: {reason}; check data column {self.column!r} and the "
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
        """See ``Source``: the first readable rows are held out, unreadable ones among them counted and left out."""
        pictures: dict[str, dict[str, Any]] = {}
        skipped: list[str] = []
        taken = 0
        for row in self._each(self._rows().skip(self.skip)):
            name = f"{self.path}[held-out {taken}]"
            taken += 1
            try:
                self._decode(row, LOOK)
                pictures[name] = row
            except PictureError as error:
                skipped.append(f"{name}: {error}")
            if len(pictures) == held_out or len(skipped) == MAX_SUBSTITUTES:
                break
        if not taken:
            raise UserError(f"the data set {self.path} (split {self.given['split']}) has no rows")
        if not pictures:
            raise UserError(
                f"none of the first {taken} rows of {self.path} holds a usable picture, the last being {skipped[-1]}: check "
                f"data column {self.column!r}"
            )
        held = _Rows(self, pictures)
        held.skipped = tuple(skipped)
        return HubSource(**self.given, skip=self.skip + taken), held


def rows_of(data: Any, split: str) -> int | None:
    """How many rows a streamed data set says it has; None where it does not, as local files."""
    splits = getattr(data.info, "splits", None) or {}
    return int(splits[split].num_examples) or None if split in splits else None


class _Rows(IndexedSource):
    """A few rows kept in memory, still encoded."""

    def __init__(self, source: HubSource, rows: dict[str, dict[str, Any]]) -> None:
        self.source, self.rows = source, rows
        super().__init__(list(rows))

    def read(self, name: str, at_least: int) -> Image.Image:
        return self.source._decode(self.rows[name], at_least)

    def subset(self, names: Sequence[str]) -> _Rows:
        return _Rows(self.source, {name: self.rows[name] for name in names})
