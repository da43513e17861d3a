"""Cutting a picture up: nothing left out, nothing twice, and the statistics of the whole."""

from __future__ import annotations

import pytest
import torch

from adain.functional.statistics import channel_statistics
from adain.inference.tiling import HALO, Moments, boxes, cells_of_masks, whole


@pytest.mark.parametrize(("height", "width", "side"), [(65, 47, 16), (64, 64, 64), (100, 9, 24), (1, 500, 104)])
def test_every_cell_is_in_one_tile(height: int, width: int, side: int) -> None:
    picture = whole(height, width)
    seen = torch.zeros(picture.bottom, picture.right)
    for box in boxes(picture, side):
        assert max(box.bottom - box.top, box.right - box.left) * 8 <= side
        box.of(seen).add_(1)
    assert (seen == 1).all()
    assert seen.numel() == -(-height // 8) * -(-width // 8)


def test_a_halo_ends_at_the_pictures_edge() -> None:
    picture = whole(400, 400)
    first, *_, last = boxes(picture, 80)
    assert first.grown(picture) == (0, first.bottom + HALO, 0, first.right + HALO)
    assert last.grown(picture) == (last.top - HALO, 50, last.left - HALO, 50)


def test_a_box_within_a_window() -> None:
    picture = whole(400, 400)
    cells = torch.arange(2500.0).view(1, 1, 50, 50)
    box = boxes(picture, 80)[7]
    window = box.grown(picture)
    assert torch.equal(box.of(window.of(cells), window), box.of(cells))


def test_moments_of_parts_are_those_of_the_whole() -> None:
    features = torch.randn(2, 5, 24, 31) * 3 + 100
    share = torch.rand(1, 1, 24, 31) * (torch.rand(1, 1, 24, 31) > 0.5)
    share[..., :8] = 0  # a part without any
    for region in (None, share):
        moments = Moments()
        for box in boxes(whole(24 * 8, 31 * 8), 64):
            moments.add(box.of(features), None if region is None else box.of(region))
        wanted = channel_statistics(features.double(), region=region)
        torch.testing.assert_close(moments.statistics().mean, wanted.mean, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(moments.statistics().std, wanted.std, rtol=1e-4, atol=1e-4)


def test_a_cell_of_a_mask_is_the_mean_of_its_pixels_within_the_picture() -> None:
    mask = torch.rand(1, 2, 21, 16)
    cells = cells_of_masks(mask)
    assert cells.shape == (1, 2, 3, 2)
    torch.testing.assert_close(cells[0, 1, 1, 0], mask[0, 1, 8:16, :8].mean())
    torch.testing.assert_close(cells[0, 0, 2, 1], mask[0, 0, 16:21, 8:].mean())
