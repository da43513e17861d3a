"""Contact sheets, laid out and cut again."""

from __future__ import annotations

import pytest
from PIL import Image

from adain.data.contact_sheet import cut_grid, picture_grid


@pytest.mark.parametrize("titles", [(), ("content", "style", "step 40")])
@pytest.mark.parametrize("rows", [1, 5, 6, 7, 8])
def test_a_sheet_is_cut_into_the_pictures_it_was_made_of(rows: int, titles: tuple[str, ...]) -> None:
    pictures = [[Image.new("RGB", (20, 20), (10 * y, 60 * x, 7)) for x in range(3)] for y in range(rows)]
    found = cut_grid(picture_grid(pictures, titles), rows, 3)
    assert [[p.tobytes() for p in row] for row in found] == [[p.tobytes() for p in row] for row in pictures]


def test_titles_are_above_the_columns_of_both_halves() -> None:
    white = [[Image.new("RGB", (60, 60), "white") for _ in range(2)] for _ in range(6)]
    plain, titled = picture_grid(white), picture_grid(white, ["content", "style"])
    strip = titled.crop((0, 0, titled.width, titled.height - plain.height))
    inked = [strip.crop((x * 64, 0, x * 64 + 60, strip.height)).getextrema()[0][0] < 128 for x in range(4)]
    assert inked == [True] * 4
    assert picture_grid(white, ["", ""]).getextrema() == ((255, 255),) * 3
