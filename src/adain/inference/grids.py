"""Pictures of many results side by side: strengths, styles, decoders, the plane between styles, frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from PIL import Image, ImageDraw, ImageFont

T = TypeVar("T")

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
_STEPS = 5
_GAP = 6
_LINE = 18

Named = tuple[Image.Image, str]
"""A picture and what it is called."""

Cell = Named | None
"""A picture with the words above it."""


def alpha_grid(content: Image.Image, style: Image.Image, stylized: Callable[[float], Image.Image]) -> Image.Image:
    """Return the content, the results from alpha 0 to 1, and the style, in a row.

    Args:
        content: Its size is each cell's.
        style: Shown in full at the end.
        stylized: Gives the result for an alpha.
    """
    results = [(stylized(alpha), f"alpha {alpha:g}") for alpha in ALPHAS]
    return _paste([[(content, "content"), *results, (_fitted(style, content.size), "style")]], content.size)


def style_grid(content: Image.Image, styles: Sequence[Named], stylized: Callable[[int], Image.Image]) -> Image.Image:
    """Return the content, and beneath each style the result in it.

    Args:
        content: Its size is each cell's.
        styles: Any number, with their names.
        stylized: Gives the result in the style of an index.
    """
    above: list[Cell] = [None, *((_fitted(style, content.size), name) for style, name in styles)]
    beneath: list[Cell] = [(content, "content"), *((stylized(index), "") for index in range(len(styles)))]
    return _paste([above, beneath], content.size)


def decoder_grid(
    content: Image.Image, styles: Sequence[Named], decoders: Mapping[str, T], stylized: Callable[[int, T], Image.Image]
) -> Image.Image:
    """Return a row for each style: the content, the style, and the result of each decoder.

    Args:
        content: Its size is each cell's.
        styles: Any number, with their names.
        decoders: By name.
        stylized: Gives the result in the style of an index by a decoder.
    """
    rows = []
    for index, (style, name) in enumerate(styles):
        results = [(stylized(index, decoder), word) for word, decoder in decoders.items()]
        rows.append([(content, "content"), (_fitted(style, content.size), name), *results])
    return _paste(rows, content.size)


def corner_weights(styles: int) -> list[list[tuple[float, ...] | None]]:
    """Return mixing weights by row and column: a line between two styles, a triangle of three, a square of four.

    Args:
        styles: 2 to 4.
    """
    share = [step / (_STEPS - 1) for step in range(_STEPS)]
    if styles == 2:
        return [[(1 - x, x) for x in share]]
    if styles == 3:
        return [[(1 - x - y, x, y) if x + y <= 1 else None for x in share] for y in share]
    return [[((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y) for x in share] for y in share]


def pictures_of(grid: str, styles: int) -> int:
    """Return how many results a grid of so many styles has: of ``alpha``, ``styles``, ``decoders`` or ``corners``."""
    if grid == "corners":
        return sum(weights is not None for row in corner_weights(styles) for weights in row)
    return {"alpha": len(ALPHAS), "styles": styles, "decoders": 2 * styles}[grid]


def corner_grid(
    content: Image.Image, styles: Sequence[Named], stylized: Callable[[tuple[float, ...]], Image.Image]
) -> Image.Image:
    """Return the results between styles, each style's picture beside its corner.

    Args:
        content: Its size is each cell's.
        styles: 2 to 4: left and right; top left, top right, bottom left; and bottom right.
        stylized: Gives the result for weights.
    """
    plane = corner_weights(len(styles))
    beside = [(_fitted(style, content.size), name) for style, name in styles]
    rows: list[list[Cell]] = []
    for index, row in enumerate(plane):
        cells: list[Cell] = [
            None if w is None else (stylized(w), " ".join(f"{share:.2f}".lstrip("0") for share in w)) for w in row
        ]
        left = beside[0] if index == 0 else beside[2] if index == len(plane) - 1 else None
        right = beside[1] if index == 0 else beside[3] if len(styles) == 4 and index == len(plane) - 1 else None
        rows.append([left, *cells, right])
    return _paste(rows, content.size)


def frame_grid(before: Sequence[Image.Image], after: Sequence[Image.Image], seconds: Sequence[float]) -> Image.Image:
    """Return frames of a video, and beneath each the same in its style.

    Args:
        before: The first's size is each cell's.
        after: One for each.
        seconds: When each is shown.
    """
    size = before[0].size
    above: list[Cell] = [(_fitted(frame, size), f"{when:.1f} s") for frame, when in zip(before, seconds, strict=True)]
    return _paste([above, [(_fitted(frame, size), "") for frame in after]], size)


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the whole picture in the middle of a white cell."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    inner = picture.convert("RGB").resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    cell = Image.new("RGB", size, "white")
    cell.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return cell


def _paste(rows: Sequence[Sequence[Cell]], size: tuple[int, int]) -> Image.Image:
    width, height = size[0] + _GAP, size[1] + _GAP + _LINE
    sheet = Image.new("RGB", (width * max(map(len, rows)) + _GAP, height * len(rows) + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell is not None:
                corner = _GAP + x * width, _GAP + y * height
                words = cell[1]
                while words and pen.textlength(words, font) > size[0]:
                    words = words[:-2] + "…" if len(words) > 2 else ""
                pen.text(corner, words, fill="black", font=font)
                sheet.paste(cell[0].convert("RGB"), (corner[0], corner[1] + _LINE))
    return sheet
