"""Grids of many results."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from adain.inference.grids import (
    alpha_grid,
    corner_grid,
    corner_weights,
    decoder_grid,
    frame_grid,
    pictures_of,
    style_grid,
)


@pytest.mark.parametrize(
    ("grid", "styles"), [("alpha", 1), ("styles", 3), ("decoders", 3), ("corners", 2), ("corners", 3), ("corners", 4)]
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
    elif grid == "decoders":
        decoder_grid(cell, named, {"a": 0, "b": 1}, stylized)
    else:
        (style_grid if grid == "styles" else corner_grid)(cell, named, stylized)
    assert made == pictures_of(grid, styles)


SIDE = 16


def flat(*color: int) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), color)


def seen(sheet: Image.Image, row: int, column: int) -> Any:
    """The color in the middle of a cell: 6 pixels between two, a line of words of 18 above."""
    return sheet.getpixel((6 + column * (SIDE + 6) + SIDE // 2, 6 + row * (SIDE + 24) + 18 + SIDE // 2))


STYLES = [(flat(200, 10 * i, 0), f"style {i}") for i in range(4)]


def test_each_row_shows_a_style_and_every_decoders_result_in_it() -> None:
    sheet = decoder_grid(flat(1, 2, 3), STYLES[:2], {"a": 60, "b": 90}, lambda style, blue: flat(0, 10 * style, blue))
    rows = [[seen(sheet, row, column) for column in range(4)] for row in range(2)]
    assert rows == [[(1, 2, 3), (200, 10 * i, 0), (0, 10 * i, 60), (0, 10 * i, 90)] for i in range(2)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_style_is_alone_in_its_corner(count: int) -> None:
    plane = corner_weights(count)
    corners = [plane[0][0], plane[0][-1], plane[-1][0], plane[-1][-1]][:count]
    assert corners == [tuple(float(i == k) for i in range(count)) for k in range(count)]
    assert {round(sum(weights), 9) for row in plane for weights in row if weights is not None} == {1.0}


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_style_stands_beside_its_corner(count: int) -> None:
    def stylized(weights: tuple[float, ...]) -> Image.Image:
        return flat(0, round(sum(10 * i * share for i, share in enumerate(weights))), 200)

    sheet = corner_grid(flat(0, 0, 0), STYLES[:count], stylized)
    last = 0 if count == 2 else 4
    places = [(0, 0, 1), (0, 6, 5), (last, 0, 1), (last, 6, 5)][
        :count
    ]  # row and column of the style, and of its result
    for index, (row, column, beside) in enumerate(places):
        assert seen(sheet, row, column) == (200, 10 * index, 0)
        assert seen(sheet, row, beside) == (0, 10 * index, 200)


def test_every_result_stands_beneath_its_style() -> None:
    sheet = style_grid(flat(0, 0, 99), STYLES[:3], lambda index: flat(0, 10 * index, 200))
    assert seen(sheet, 1, 0) == (0, 0, 99)
    for index in range(3):
        assert [seen(sheet, row, 1 + index) for row in (0, 1)] == [(200, 10 * index, 0), (0, 10 * index, 200)]


def test_every_frame_stands_above_the_same_in_its_style() -> None:
    before, after = ([flat(level, 10 * i, 0) for i in range(3)] for level in (100, 200))
    sheet = frame_grid(before, after, [0.0, 1.0, 2.0])
    for index in range(3):
        assert [seen(sheet, row, index) for row in (0, 1)] == [(100, 10 * index, 0), (200, 10 * index, 0)]


def test_strengths_rise_from_the_content_to_the_style() -> None:
    sheet = alpha_grid(flat(0, 0, 99), flat(99, 0, 0), lambda alpha: flat(0, round(100 * alpha), 0))
    levels = [(0, 0, 99), *((0, level, 0) for level in (0, 25, 50, 75, 100)), (99, 0, 0)]
    assert [seen(sheet, 0, column) for column in range(7)] == levels
