from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image

from adain.data.contact_sheet import cut_grid, picture_grid
from adain.training.picture_grid import PictureGrid


def test_rows_and_columns_stand_where_they_should() -> None:
    colors = [["red", "green", "blue"], ["white", "black", "yellow"]]
    grid = picture_grid([[Image.new("RGB", (10, 10), color) for color in row] for row in colors])
    assert grid.size == (3 * 14 - 4, 2 * 14 - 4)
    assert grid.getpixel((5, 5)) == (255, 0, 0)
    assert grid.getpixel((33, 19)) == (255, 255, 0)


def test_a_long_list_is_laid_in_two_halves() -> None:
    grid = picture_grid([[Image.new("RGB", (10, 10), (i, 0, 0))] for i in range(7)])
    assert grid.size == (2 * 14 - 4, 4 * 14 - 4)
    assert grid.getpixel((5, 3 * 14 + 5)) == (3, 0, 0)
    assert grid.getpixel((19, 5)) == (4, 0, 0)
    assert grid.getpixel((19, 3 * 14 + 5)) == (255, 255, 255)


def test_a_row_is_a_pairs_content_style_and_own_output(tmp_path: Path) -> None:
    """Three of four pairs, in batches of two; outputs are up to 7 pixels larger than contents."""

    def flat(level: int, side: int = 16) -> torch.Tensor:
        return torch.full((3, side, side), level / 255)

    grid, trainer = PictureGrid(str(tmp_path), pairs=3), SimpleNamespace(global_step=0, is_global_zero=True, loggers=[])
    for step in (0, 5):
        trainer.global_step = step
        grid.on_validation_start(trainer, None)  # type: ignore[arg-type]
        for first in (0, 2):
            pairs = range(first, first + 2)
            batch: dict[str, Any] = {
                "content": torch.stack([flat(10 + i) for i in pairs]),
                "style": torch.stack([flat(110 + i) for i in pairs]),
                "content_name": [f"c{i}.png" for i in pairs],
                "style_name": [f"s{i}.png" for i in pairs],
            }
            outputs = {"output": torch.stack([flat(200 + step + i, side=20) for i in pairs])}
            grid.on_validation_batch_end(trainer, None, outputs, batch, first)  # type: ignore[arg-type]
        grid.on_validation_end(trainer, None)  # type: ignore[arg-type]
        with Image.open(tmp_path / f"step_{step:06d}.png") as drawn:
            found = [[cell.getpixel((8, 8)) for cell in row] for row in cut_grid(drawn, rows=3, columns=3)]
        assert found == [[(level,) * 3 for level in (10 + i, 110 + i, 200 + step + i)] for i in range(3)]
