"""Carrying a picture's fine detail over to a stylized copy that was made smaller."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def local_gain(picture: Tensor, guide: Tensor, radius: int = 4, ridge: float = 1e-4) -> Tensor:
    """Return how much of a guide's contrast a picture has at each place, channel by channel.

    It is the slope of a linear regression of the picture on the guide in a window around the place, smoothed over
    the same window: 1 where both are alike, 0 where they have nothing in common or the guide is flat.

    Args:
        picture: ``N x C x H x W`` in [0, 1].
        guide: The same shape.
        radius: The window has ``2 radius + 1`` pixels each way.
        ridge: Added to the guide's variance: contrast well below its root counts as flat.

    Returns:
        ``N x C x H x W``, in [0, 1].

    Source:
        The linear model of He, Sun & Tang 2010, "Guided Image Filtering", section 3.1, without its offset.
    """
    mean_guide, mean_picture = _window_mean(guide, radius), _window_mean(picture, radius)
    covariance = _window_mean(guide * picture, radius) - mean_guide * mean_picture
    variance = _window_mean(guide * guide, radius) - mean_guide * mean_guide
    return _window_mean(covariance / (variance.clamp_min(0) + ridge), radius).clamp(0, 1)


def _window_mean(picture: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(picture, 2 * radius + 1, 1, radius, count_include_pad=False)
