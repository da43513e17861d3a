"""The training pictures of figure 1, and what is read off its trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adain.evaluation.paper.normalization import equalize, last_losses, prepare, style_losses
from adain.methods.interface import Method
from tests.helpers.pictures import draw


def test_contrast_is_normalized_and_color_is_kept() -> None:
    ramp = (90 + 50 * np.linspace(0, 1, 64 * 64) ** 2).reshape(64, 64).round()  # faint, and mostly dark
    faint = Image.fromarray(np.stack([ramp + 20, ramp, ramp - 20], -1).astype(np.uint8))
    before, after = (np.asarray(picture.convert("YCbCr"), dtype=float) for picture in (faint, equalize(faint)))
    assert np.ptp(before[..., 0]) < 60
    assert np.ptp(after[..., 0]) > 200
    levels = np.sort(after[..., 0].ravel())
    assert (
        abs(levels - np.linspace(levels[0], levels[-1], levels.size)).max() < 30
    )  # all luminances are about as frequent
    assert abs(after[..., 1:] - before[..., 1:]).mean() < 8


class Half:
    """In AdaIN's place: what is half of everything in it the style's is known."""

    encoded = 0

    def encode_style(self, style: Tensor) -> Tensor:
        self.encoded += 1
        return style

    def stylize(self, content: Tensor, style: Tensor) -> Tensor:
        return (content + style) / 2


def test_each_picture_in_three_versions_made_once(tmp_path: Path) -> None:
    photographs = [draw(tmp_path / f"{i}.png", i, (48, 32)) for i in range(2)]
    style, half = draw(tmp_path / "style.png", 7, (32, 32)), Half()

    def make() -> dict[str, Any]:
        prepare(photographs, style, 32, cast(Method[Any], half), tmp_path / "made", torch.device("cpu"))
        return {
            path.relative_to(tmp_path / "made").as_posix(): np.asarray(Image.open(path), dtype=float)
            for path in (tmp_path / "made").rglob("*.png")
        }

    made = make()
    assert set(made) == {f"{version}/0000{i}.png" for version in ("original", "contrast", "style") for i in range(2)}
    square = np.asarray(Image.open(photographs[1]).crop((8, 0, 40, 32)), dtype=float)
    np.testing.assert_array_equal(made["original/00001.png"], square)
    styled = (square + np.asarray(Image.open(style), dtype=float)) / 2
    np.testing.assert_allclose(made["style/00001.png"], styled, atol=1)
    (tmp_path / "made" / "contrast" / "00001.png").unlink()
    again = make()
    assert half.encoded == 2  # once a call that has something to do
    assert all((again[name] == made[name]).all() for name in made)
    make()
    assert half.encoded == 2


def test_the_last_tenth_of_both_trainings_is_compared(tmp_path: Path) -> None:
    for name, level in (("instance_original", 2.0), ("batch_original", 6.0), ("instance_style", 1.0)):
        folder = tmp_path / name / "csv"
        folder.mkdir(parents=True)
        lines = [f"{step},{level if step >= 18 else 100.0}" for step in range(20)]
        (folder / "metrics.csv").write_text("\n".join(["step,train/style", *lines]))
    losses = style_losses(tmp_path)
    assert set(losses) == {("instance", "original"), ("batch", "original"), ("instance", "style")}
    assert last_losses(losses) == [
        {"version": "original", "steps": 20, "instance": 2.0, "batch": 6.0, "batch_over_instance": pytest.approx(3.0)}
    ]
