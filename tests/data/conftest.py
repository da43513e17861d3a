from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when `datasets` is first imported

import pytest
from PIL import Image

from tests.helpers.pictures import encode, solid

Color = tuple[int, int, int] | str


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that creates a folder of readable and broken pictures: ``folder("name", good=5, bad=2)``."""

    def make(name: str = "pictures", good: int = 0, bad: int = 0, color: Color | None = None) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        for index in range(good):
            data = solid(index) if color is None else encode(Image.new("RGB", (20, 20), color))
            (path / f"good_{index:02d}.png").write_bytes(data)
        for index in range(bad):
            (path / f"bad_{index:02d}.png").write_bytes(b"no picture")
        return path

    return make


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that writes rows as in hub data sets: a number gives a readable picture, anything else its cell."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")

    def write(rows: Sequence[object], files: int = 1, column: str = "image") -> list[str]:
        cells = [{"bytes": solid(row), "path": f"{row}.png"} if isinstance(row, int) else row for row in rows]
        names = []
        share = -(-len(cells) // files)
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        for index in range(files):
            part = cells[index * share : (index + 1) * share]
            table = pa.table({column: pa.array(part, kind), "label": list(range(len(part)))})
            names.append(str(tmp_path / f"{column}_{index}.parquet"))
            pq.write_table(table, names[-1])
        return names

    return write
