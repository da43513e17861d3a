"""Grids of many results."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from adain.stylizing.grids import alpha_grid, corner_grid, pictures_of, style_grid


@pytest.mark.parametrize(
    ("grid", "styles"), [("alpha", 1), ("styles", 3), ("corners", 2), ("corners", 3), ("corners", 4)]
)
def test_the_bar_counts_every_result(grid: str, styles: int) -> None:
    cell = Image.new("RGB", (16, 16))
    named, made = [(cell, "name")] * styles, 0

    def stylized(*_: Any) -> Image.Image:
        nonlocal made
        made += 1
        return cell

    if grid == "alpha":
        alpha_grid(cell, cell, stylized)
    else:
        (style_grid if grid == "styles" else corner_grid)(cell, named, stylized)
    assert made == pictures_of(grid, styles)
