"""Pure tensor functions of style transfer: no classes, no configuration, no state.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a
variance summed over a feature map overflows float16 and loses its small channels in bfloat16.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

EPS = 1e-5
"""Added to the variance before the square root (Huang & Belongie 2017, as in instance normalisation)."""


class Statistics(NamedTuple):
    """Channel statistics of a feature map: all that AdaIN knows of a style at one layer.

    Attributes:
        mean: ``N x C x 1 x 1``, float32.
        std: ``N x C x 1 x 1``, float32, at least ``sqrt(EPS)``.
    """

    mean: Tensor
    std: Tensor


def channel_statistics(features: Tensor, eps: float = EPS) -> Statistics:
    """Mean and standard deviation of each sample's channels over height and width.

    Args:
        features: ``N x C x H x W``, any floating dtype.
        eps: Added to the population variance, ``sigma^2 = mean((x - mu)^2) + eps``.

    Returns:
        Statistics in float32.

    Source:
        Huang & Belongie 2017, equations 5 and 6: the population variance, not the unbiased one.
    """
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    return Statistics(mean, (variance + eps).sqrt())


def adain(content: Tensor, style: Statistics) -> Tensor:
    """Adaptive instance normalisation: the content's features with the style's channel statistics.

    ``AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y)``

    Args:
        content: ``N x C x H x W`` features.
        style: Statistics of the style's features, ``N`` or 1 samples.

    Returns:
        ``N x C x H x W`` in the dtype of ``content``.

    Source:
        Huang & Belongie 2017, equation 8.
    """
    own = channel_statistics(content)
    scale = style.std / own.std
    return (content * scale + (style.mean - own.mean * scale)).to(content.dtype)


def gram(features: Tensor) -> Tensor:
    """Gram matrix of each sample's channels, averaged over positions: ``G = F F' / (H W)``.

    Args:
        features: ``N x C x H x W``, any floating dtype.

    Returns:
        ``N x C x C`` in float32. The average, in place of the sum, lets pictures of different sizes be compared.

    Source:
        Gatys et al. 2016, equation 3, divided by ``M = H W``.
    """
    flat = features.float().flatten(2)
    # the division first: a sum over a large feature map of VGG-19 loses digits, and under autocast overflows
    with torch.autocast(flat.device.type, enabled=False):
        return (flat / flat.shape[2]) @ flat.transpose(1, 2)
