"""Pictures laid out, and taken out again."""

from __future__ import annotations

import pytest
from PIL import Image

from adain.callbacks.grid_layout import cut_grid, picture_grid


@pytest.mark.parametrize("rows", [1, 5, 6, 7, 8])
def test_what_is_laid_out_comes_back(rows: int) -> None:
    pictures = [[Image.new("RGB", (20, 12), (10 * y, 60 * x, 7)) for x in range(3)] for y in range(rows)]
    found = cut_grid(picture_grid(pictures), rows, 3)
    assert [[p.tobytes() for p in row] for row in found] == [[p.tobytes() for p in row] for row in pictures]
