"""Clips made by hand, and known motions: undone exactly for a clip that moves with them, and not for one that does not."""

from __future__ import annotations

import math

import pytest
import torch

from adain.metrics.flicker import MOTIONS, frame_change, moving_views, warping_error
from adain.runtime.errors import InputError
from tests.helpers.tensors import smooth_tensor


def test_of_a_pulsing_and_a_still_clip() -> None:
    still, pulse = torch.full((4, 3, 8, 8), 0.5), torch.full((4, 3, 8, 8), 0.5)
    pulse[1::2] = 0.75
    assert frame_change(pulse).tolist() == pytest.approx([0.25] * 3)
    assert frame_change(still).tolist() == [0] * 3


def test_a_pan_shows_the_pictures_own_pixels() -> None:
    picture = smooth_tensor(1, 70, 80)
    views = moving_views(picture, MOTIONS["pan"])
    height, width = views.shape[-2:]
    assert (height, width) == (70 - 18, 80 - 18)
    for step, view in enumerate(views):
        y, x = 9 + 2 * step, 9 + 3 * step
        torch.testing.assert_close(view, picture[0, :, y : y + height, x : x + width], rtol=0, atol=1e-4)
    assert warping_error(views, MOTIONS["pan"]).max() < 1e-4
    assert frame_change(views).min() > 0.01


@pytest.mark.parametrize(("dot", "moves"), [((0, 30), (-1, 0)), ((30, 0), (0, 1))])
def test_a_rotation_turns_around_the_center(dot: tuple[int, int], moves: tuple[int, int]) -> None:
    """A view that turns clockwise sees what is right of the center rise, and what is below go right."""
    picture = torch.zeros(1, 3, 101, 101)
    picture[..., 50 + dot[0], 50 + dot[1]] = 1
    views = moving_views(picture, MOTIONS["rotation"])
    height, width = views.shape[-2:]
    places = [divmod(int(view[0].argmax()), width) for view in views]
    assert places[0] == (height // 2 + dot[0], width // 2 + dot[1])
    far = round(30 * math.radians(3))
    assert places[-1] == (places[0][0] + far * moves[0], places[0][1] + far * moves[1])


@pytest.mark.parametrize("name", ["pan", "rotation"])
def test_only_what_moves_along_has_no_error(name: str) -> None:
    motion = MOTIONS[name]  # type: ignore[index]
    views = moving_views(smooth_tensor(2, 96, 96), motion)
    floor = float(warping_error(views, motion).mean())
    assert floor < float(frame_change(views).mean()) / 5
    flicker = views.clone()
    flicker[1::2] = (flicker[1::2] + 0.1).clamp(0, 1)
    assert float(warping_error(flicker, motion).mean()) > floor + 0.08
    still = views[:1].expand_as(views)
    assert float(frame_change(still).max()) == 0
    assert float(warping_error(still, motion).mean()) > 3 * floor + 0.001  # it should have moved


def test_a_small_picture_is_refused() -> None:
    with pytest.raises(InputError, match="40 x 40 px is too small to move a view over it"):
        moving_views(torch.zeros(1, 3, 40, 40), MOTIONS["pan"])
