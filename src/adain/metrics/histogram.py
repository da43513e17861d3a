"""How far the colors of two pictures are apart, by the histogram that HistoGAN matches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BINS, _RANGE, _WIDTH, _SIDE, _EPS = 64, 3.0, 0.02, 256, 1e-6


def rgb_uv_histogram(picture: Tensor) -> Tensor:
    """Return the soft histogram of each color's log-ratios to the other two, weighted by brightness.

    Args:
        picture: ``N x 3 x H x W``, RGB in [0, 1]; larger ones are resized to 256 x 256 px, bilinearly.

    Returns:
        ``N x 3 x 64 x 64`` in float32, each sample summing to 1.

    Source:
        Afifi et al. 2021 (HistoGAN), equations 1 to 3: inverse quadratic kernel, width 0.02, log-ratios of -3 to 3.
    """
    x = picture.float()
    if max(x.shape[-2:]) > _SIDE:
        x = F.interpolate(x, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
    x = x.flatten(2)
    brightness, logs = (x.square().sum(1) + _EPS).sqrt(), (x + _EPS).log()
    bins = torch.linspace(-_RANGE, _RANGE, _BINS, device=x.device)

    def near(ratio: Tensor) -> Tensor:
        return 1 / (1 + ((ratio[..., None] - bins) / _WIDTH).square())

    planes = []
    for color, (u, v) in enumerate(((1, 2), (0, 2), (0, 1))):
        first, second = near(logs[:, color] - logs[:, u]), near(logs[:, color] - logs[:, v])
        planes.append((brightness[..., None] * first).transpose(1, 2) @ second)
    histogram = torch.stack(planes, 1)
    return histogram / (histogram.sum((1, 2, 3), keepdim=True) + _EPS)


def histogram_distance(picture: Tensor, other: Tensor) -> Tensor:
    """Return the Hellinger distance of such histograms: ``N`` values in float32 from 0 to 1, 0 for the same colors."""
    difference = rgb_uv_histogram(picture).sqrt() - rgb_uv_histogram(other).sqrt()
    return (difference.square().sum((1, 2, 3)) / 2).sqrt()
