"""Lay out pictures in a contact sheet, and cut a sheet into pictures again. Needs Pillow only."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 4
_LINE = 18  # height of the title line, in pixels
_MOST_ROWS = 5  # longer lists are split into two halves, side by side


def picture_grid(rows: list[list[Image.Image]], titles: Sequence[str] = ()) -> Image.Image:
    """Lay out square pictures of one size in rows and columns on white, with a small gap.

    More than five rows are split into two halves, side by side.

    Args:
        rows: Rows of equal length.
        titles: Column titles, repeated above both halves.
    """
    columns = len(rows[0])
    if len(rows) > _MOST_ROWS:
        half = (len(rows) + 1) // 2
        blank = Image.new("RGB", rows[0][0].size, "white")
        right = rows[half:] + [[blank] * columns] * (2 * half - len(rows))
        rows = [left_row + right_row for left_row, right_row in zip(rows[:half], right, strict=True)]
    width, height = rows[0][0].size
    top = _LINE if titles else 0
    grid = Image.new("RGB", (len(rows[0]) * (width + _GAP) - _GAP, top + len(rows) * (height + _GAP) - _GAP), "white")
    if titles:
        draw, font = ImageDraw.Draw(grid), ImageFont.load_default(13)
        for x in range(len(rows[0])):
            draw.text((x * (width + _GAP) + width / 2, _LINE / 2), titles[x % columns], "black", font, "mm")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            grid.paste(picture, (x * (width + _GAP), top + y * (height + _GAP)))
    return grid


def cut_grid(grid: Image.Image, rows: int, columns: int) -> list[list[Image.Image]]:
    """Return the pictures that ``picture_grid`` laid out, with or without titles.

    Args:
        grid: The contact sheet.
        rows: Number of rows that ``picture_grid`` was given.
        columns: Number of pictures per row.
    """
    halves = 2 if rows > _MOST_ROWS else 1
    per_half = -(-rows // halves)
    side = (grid.width + _GAP) // (columns * halves) - _GAP
    top = grid.height - (per_half * (side + _GAP) - _GAP)
    pictures = []
    for row in range(rows):
        half, y = divmod(row, per_half)
        boxes = [((half * columns + x) * (side + _GAP), top + y * (side + _GAP)) for x in range(columns)]
        pictures.append([grid.crop((x, above, x + side, above + side)) for x, above in boxes])
    return pictures
