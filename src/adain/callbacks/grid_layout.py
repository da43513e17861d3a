"""How pictures are laid out in one, and how they are taken out again. Needs Pillow only."""

from __future__ import annotations

from PIL import Image

_GAP = 4
_MOST_ROWS = 5  # more are laid in two halves


def picture_grid(rows: list[list[Image.Image]]) -> Image.Image:
    """Pictures of one size in rows and columns on white, with a small gap. Long lists are laid in two halves."""
    if len(rows) > _MOST_ROWS:
        half = (len(rows) + 1) // 2
        blank = Image.new("RGB", rows[0][0].size, "white")
        right = rows[half:] + [[blank] * len(rows[0])] * (2 * half - len(rows))
        rows = [left + other for left, other in zip(rows[:half], right, strict=True)]
    width, height = rows[0][0].size
    grid = Image.new("RGB", (len(rows[0]) * (width + _GAP) - _GAP, len(rows) * (height + _GAP) - _GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            grid.paste(picture, (x * (width + _GAP), y * (height + _GAP)))
    return grid


def cut_grid(grid: Image.Image, rows: int, columns: int) -> list[list[Image.Image]]:
    """The pictures that ``picture_grid`` laid out.

    Args:
        grid: As it was written.
        rows: Of the list it was made from.
        columns: Of it.
    """
    halves = 2 if rows > _MOST_ROWS else 1
    per_half = -(-rows // halves)
    width = (grid.width + _GAP) // (columns * halves) - _GAP
    height = (grid.height + _GAP) // per_half - _GAP
    found = []
    for row in range(rows):
        half, y = divmod(row, per_half)
        boxes = [((half * columns + x) * (width + _GAP), y * (height + _GAP)) for x in range(columns)]
        found.append([grid.crop((x, top, x + width, top + height)) for x, top in boxes])
    return found
