"""How much of a content's contrast a stylized picture has, place by place."""

from __future__ import annotations

import numpy as np
import torch

from adain.functional.detail import local_gain


def noise(seed: int, mean: float = 0.5, size: float = 0.1) -> torch.Tensor:
    return mean + size * torch.randn(1, 1, 40, 48, generator=torch.Generator().manual_seed(seed))


def test_a_picture_has_as_much_of_its_guide_as_it_was_given() -> None:
    guide = noise(0)
    assert torch.allclose(local_gain(guide, guide), torch.tensor(1.0), atol=0.02)
    assert torch.allclose(local_gain(0.4 * guide + 0.3, guide), torch.tensor(0.4), atol=0.02)


def test_what_has_nothing_in_common_has_no_gain() -> None:
    guide = noise(0)
    assert local_gain(noise(1), guide).mean() < 0.1
    assert local_gain(noise(1), torch.full_like(guide, 0.5)).max() == 0
    assert local_gain(-guide, guide).max() == 0


def test_the_slope_is_the_regressions_channel_by_channel() -> None:
    guide, picture = torch.cat([noise(0), noise(2)], dim=1), torch.cat([noise(1), 0.7 * noise(2)], dim=1)
    slopes = local_gain(picture, guide, radius=30, ridge=0.0)[0, :, 20, 24]  # the window is the whole picture
    for channel, slope in enumerate(slopes):
        x, y = (one[0, channel].flatten().double().numpy() for one in (guide, picture))
        assert abs(float(slope) - max(0.0, float(np.polyfit(x, y, 1)[0]))) < 1e-3
