from __future__ import annotations

from PIL import Image

from adain.grid import picture_grid


def test_rows_and_columns_stand_where_they_should() -> None:
    colours = [["red", "green", "blue"], ["white", "black", "yellow"]]
    grid = picture_grid([[Image.new("RGB", (10, 10), colour) for colour in row] for row in colours])
    assert grid.size == (3 * 14 - 4, 2 * 14 - 4)
    assert grid.getpixel((5, 5)) == (255, 0, 0)
    assert grid.getpixel((33, 19)) == (255, 255, 0)


def test_a_long_list_is_laid_in_two_halves() -> None:
    grid = picture_grid([[Image.new("RGB", (10, 10), (i, 0, 0))] for i in range(7)])
    assert grid.size == (2 * 14 - 4, 4 * 14 - 4)
    assert grid.getpixel((5, 3 * 14 + 5)) == (3, 0, 0)
    assert grid.getpixel((19, 5)) == (4, 0, 0)
    assert grid.getpixel((19, 3 * 14 + 5)) == (255, 255, 255)
