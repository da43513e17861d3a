"""Which pairs the page shows, and in which order."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image

from adain.evaluation.page import chosen, write_page
from adain.evaluation.pairs import Pair
from adain.evaluation.run import Frame

ROWS = [{"index": i, "loss": float(v)} for i, v in enumerate([5, 1, 9, 3, 7, 2, 8])]


def values(count: int, higher: bool = False) -> list[tuple[str, float]]:
    return [(kind, row["loss"]) for kind, row in chosen(ROWS, "loss", higher, count)]


def test_worst_then_best_then_between() -> None:
    assert values(6) == [("worst", 9), ("worst", 8), ("best", 1), ("best", 2), ("between", 7), ("between", 3)]
    assert values(2) == [("worst", 9), ("best", 1)]
    assert values(1) == [("worst", 9)]


def test_direction_and_all() -> None:
    assert values(3, higher=True)[0] == ("worst", 1)
    assert sorted(v for _, v in values(60)) == sorted(row["loss"] for row in ROWS)


def test_a_row_shows_its_own_content_style_and_output(tmp_path: Path) -> None:
    (tmp_path / "thumbs").mkdir()
    pairs, rows = [], []
    for index in range(3):
        names = [f"{kind}{index}.png" for kind in "cs"]
        levels = dict(zip([*names, f"thumbs/{index:07d}.jpg"], (10 + index, 110 + index, 210 + index), strict=True))
        for name, level in levels.items():
            Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / name)
        pairs.append(Pair(*names, *(tmp_path / name for name in names)))
        rows.append({"index": index, "content": names[0], "style": names[1], "loss": float(index)})
    results: Any = {
        "metrics": {}, "left_out": {}, "notes": [], "interval": "", "protocol": "ours", "precision": "32-true",
        "conventions": {}, "warnings": [], "published": [],
    }  # fmt: skip
    page = write_page(tmp_path, "title", pairs, rows, results, Frame(32, crop=True), "loss", 3).read_text()
    shown = []
    for row in re.findall(r"<tr><td>(?:worst|best|between)</td>.*?</tr>", page):
        data = re.findall(r"base64,([^\"]+)", row)
        levels_seen = [Image.open(io.BytesIO(base64.b64decode(part))).getpixel((16, 16))[0] for part in data]  # type: ignore[index]
        shown.append((re.findall(r"c(\d)\.png<br>in<br>s(\d)\.png", row), levels_seen))
    assert shown == [([(str(i), str(i))], [10 + i, 110 + i, 210 + i]) for i in (2, 0, 1)]  # worst, best, between
