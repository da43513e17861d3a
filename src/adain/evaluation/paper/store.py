"""The folder of a comparison: a file of rows for each part, and the output pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from adain.evaluation.store import Row, Store
from adain.runtime.files import replacing, write_whole

Table = Literal["speed", "split", "losses", "ablations", "alpha", "style_weight", "interpolation", "color", "regions"]
"""A file of rows."""


class ComparisonStore(Store):
    """One comparison's folder."""

    kind = "a comparison"
    subfolders = ("outputs",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._drawn: dict[Path, tuple[object, ...]] = {}

    def rows(self, table: Table) -> list[Row]:
        """Return every whole row of a table, in the order of their making."""
        return self.read_rows(table)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Keep rows that belong together: all of them, or none if this breaks off."""
        path = self.folder / f"{table}.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        write_whole(path, whole + "".join(json.dumps(row) + "\n" for row in rows))

    def has(self, table: Table, **values: Any) -> bool:
        """Return whether there is a row with these values."""
        return any(all(row.get(key) == value for key, value in values.items()) for row in self.rows(table))

    def due(self, figure: Path, *shown: object) -> bool:
        """Return whether a figure is to be drawn: it shows something else than this process drew last."""
        due = self._drawn.get(figure) != shown
        self._drawn[figure] = shown
        return due

    def output(self, name: str) -> Path:
        """Return the file of an output picture, there or not."""
        return self.folder / "outputs" / f"{name}.png"

    def keep(self, name: str, picture: Image.Image) -> None:
        """Write an output picture beside its place and move it there whole."""
        with replacing(self.output(name)) as part:
            picture.save(part, "PNG")
