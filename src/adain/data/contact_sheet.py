"""How pictures are laid out in one, and how they are taken out again. Needs Pillow only."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_GAP = 4
_LINE = 18  # pixels of the titles' line
_MOST_ROWS = 5  # more are laid in two halves


def picture_grid(rows: list[list[Image.Image]], titles: Sequence[str] = ()) -> Image.Image:
    """Square pictures of one size in rows and columns on white, with a small gap. Long lists are laid in two halves.

    Args:
        rows: As many pictures in each.
        titles: Words above the columns, above those of both halves.
    """
    columns = len(rows[0])
    if len(rows) > _MOST_ROWS:
        half = (len(rows) + 1) // 2
        blank = Image.new("RGB", rows[0][0].size, "white")
        right = rows[half:] + [[blank] * columns] * (2 * half - len(rows))
        rows = [left + other for left, other in zip(rows[:half], right, strict=True)]
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
    """The pictures that ``picture_grid`` laid out, with titles or without.

    Args:
        grid: As it was written.
        rows: Of the list it was made from.
        columns: Of it.
    """
    halves = 2 if rows > _MOST_ROWS else 1
    per_half = -(-rows // halves)
    side = (grid.width + _GAP) // (columns * halves) - _GAP
    top = grid.height - (per_half * (side + _GAP) - _GAP)
    found = []
    for row in range(rows):
        half, y = divmod(row, per_half)
        boxes = [((half * columns + x) * (side + _GAP), top + y * (side + _GAP)) for x in range(columns)]
        found.append([grid.crop((x, above, x + side, above + side)) for x, above in boxes])
    return found
