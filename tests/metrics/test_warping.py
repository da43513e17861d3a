"""Known motions: undone exactly for a clip that moves with them, and not for one that does not."""

from __future__ import annotations

import pytest
import torch

from adain.metrics.flicker import frame_change
from adain.metrics.warping import MOTIONS, moving_views, warping_error
from adain.runtime.errors import InputError
from tests.helpers.tensors import smooth_tensor


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


def test_a_rotation_turns_around_the_center() -> None:
    picture = torch.zeros(1, 3, 101, 101)
    picture[..., 50, 80] = 1  # right of the center: one degree clockwise a frame leaves its view upwards
    views = moving_views(picture, MOTIONS["rotation"])
    _, _, height, width = views.shape
    peaks = [divmod(int(view[0].argmax()), width) for view in views]
    assert peaks[0] == (height // 2, width // 2 + 30)
    assert [y for y, _ in peaks] == sorted((y for y, _ in peaks), reverse=True)
    assert height // 2 - peaks[-1][0] == round(30 * 3 * 3.14159 / 180)


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
