"""Adaptive instance normalization: channel statistics of features, their mixing, and their use per region.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a variance
summed over a feature map overflows float16, and bfloat16 loses its small channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from adain.kernels.layers import mean_std

EPS = 1e-5
"""Added to the variance before the square root (Huang & Belongie 2017, as in instance normalization)."""


class Statistics(NamedTuple):
    """Channel statistics of a feature map: all that AdaIN uses of a style.

    Attributes:
        mean: ``N x C x 1 x 1``, float32.
        std: ``N x C x 1 x 1``, float32, at least ``sqrt(EPS)``.
    """

    mean: Tensor
    std: Tensor


def join(statistics: Sequence[Statistics]) -> Statistics:
    """Return the statistics of all samples together, in order."""
    return Statistics(*(torch.cat(parts) for parts in zip(*statistics, strict=True)))


def channel_statistics(features: Tensor, eps: float = EPS, region: Tensor | None = None) -> Statistics:
    """Return the mean and standard deviation of each sample's channels over height and width.

    Args:
        features: ``N x C x H x W``, any floating dtype.
        eps: Added to the population variance, ``sigma^2 = mean((x - mu)^2) + eps``.
        region: ``N`` or ``1 x 1 x H x W``, at least 0: the weight of each position. All count equally if None.

    Returns:
        Statistics in float32. An empty region has mean 0 and standard deviation ``sqrt(eps)``.

    Source:
        Huang & Belongie 2017, equations 5 and 6, with the population variance, not the unbiased one. Regions: section
        7.3, spatial control.
    """
    if region is not None:
        features = features.float()
        share = region.float() / region.float().sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
        mean = (features * share).sum(dim=(2, 3), keepdim=True)
        variance = ((features - mean).square_() * share).sum(dim=(2, 3), keepdim=True)
        return Statistics(mean, (variance + eps).sqrt())
    return Statistics(*mean_std(features, eps))


def adain(content: Tensor, style: Statistics, content_stats: Statistics | None = None) -> Tensor:
    """Return the content features with the style's channel statistics: adaptive instance normalization.

    ``AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y)``

    Args:
        content: ``N x C x H x W`` features.
        style: Statistics of the style features, ``N`` or 1 samples.
        content_stats: ``mu(x)`` and ``sigma(x)``, if they are not those of ``content``: those of the whole picture where
            ``content`` is a tile, or smoothed over the frames of a video.

    Returns:
        ``N x C x H x W`` in the dtype of ``content``.

    Source:
        Huang & Belongie 2017, equation 8.
    """
    content_stats = channel_statistics(content) if content_stats is None else content_stats
    scale = style.std / content_stats.std
    return (content * scale + (style.mean - content_stats.mean * scale)).to(content.dtype)


def mix(styles: Sequence[Statistics], weights: Sequence[float] | None = None) -> Statistics:
    """Return the weighted mean of several styles' statistics.

    AdaIN is linear in the style's statistics, so AdaIN with this mean *is* the weighted mean of the AdaIN outputs.

    Args:
        styles: Statistics of one or more styles.
        weights: One per style; they are divided by their sum, which must not be 0. Equal if None.

    Source:
        Huang & Belongie 2017, section 7.3, style interpolation, equation 15.
    """
    factors = [1.0] * len(styles) if weights is None else [float(weight) for weight in weights]
    shares = [factor / sum(factors) for factor in factors]
    return Statistics(
        sum((style.mean * share for style, share in zip(styles, shares, strict=True)), torch.zeros(())),
        sum((style.std * share for style, share in zip(styles, shares, strict=True)), torch.zeros(())),
    )


def regions(masks: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """Return each style's share of every position, from masks that may overlap.

    Args:
        masks: ``N x K x H x W`` in [0, 1], one channel per style.
        weights: One per style; equal if None. Where masks overlap, the share of style k is proportional to
            ``weight_k mask_k``.

    Returns:
        ``N x K x H x W``. The sum over K is the coverage of a position, ``min(1, sum of masks)``.
    """
    weighted = masks.float()
    if weights is not None:
        factors = torch.tensor([float(weight) for weight in weights], device=masks.device).view(1, -1, 1, 1)
        weighted, masks = weighted * factors, masks * (factors > 0)
    covered = masks.float().sum(1, keepdim=True).clamp_max(1)
    return weighted / weighted.sum(1, keepdim=True).clamp_min(1e-12) * covered


def content_statistics(features: Tensor, shares: Tensor | None = None) -> list[Statistics]:
    """Return the content's statistics that ``target`` needs: one for the whole picture, or one per region.

    Args:
        features: Content features, ``N x C x H x W``.
        shares: ``N`` or ``1 x K x H x W``, from ``regions``.
    """
    if shares is None:
        return [channel_statistics(features)]
    return [channel_statistics(features, region=share) for share in torch.split(shares, 1, dim=1)]


def target(
    features: Tensor,
    styles: Sequence[Statistics],
    weights: Sequence[float] | None = None,
    shares: Tensor | None = None,
    alpha: float | Tensor = 1.0,
    content_stats: Sequence[Statistics] | None = None,
) -> Tensor:
    """Return the features to decode: the content's features with the statistics of one or several styles.

    Args:
        features: Content features, ``N x C x H x W``.
        styles: Statistics of K styles, each of ``N`` or 1 samples.
        weights: One per style, for mixing; ignored if ``shares`` are given, which include them.
        shares: ``N`` or ``1 x K x H x W``, from ``regions``: each style acts on its region alone, with that region's
            content statistics. Positions that no region covers keep their features.
        alpha: 0 keeps the features, 1 is the full style; beyond 1 exaggerates.
        content_stats: Used in place of ``content_statistics(features, shares)``.

    Returns:
        ``N x C x H x W`` in the dtype of ``features``.

    Source:
        Huang & Belongie 2017, sections 7.2 and 7.3.
    """
    content_stats = content_statistics(features, shares) if content_stats is None else content_stats
    if shares is None:
        styled = adain(features, mix(styles, weights) if len(styles) > 1 else styles[0], content_stats[0])
    else:
        covered = shares.sum(1, keepdim=True)
        styled = torch.where(covered > 1e-6, 0, features)
        for share, style, region_stats in zip(torch.split(shares, 1, dim=1), styles, content_stats, strict=True):
            styled = styled + adain(features, style, region_stats) * (share / covered.clamp_min(1e-6))
        styled = styled.to(features.dtype)
    return torch.lerp(features, styled, alpha)
