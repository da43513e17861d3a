"""Adaptive instance normalization: statistics of features, mixed, in regions, put in the place of others.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a
variance summed over a feature map overflows float16 and loses its small channels in bfloat16.
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
    """Channel statistics of a feature map: all that AdaIN knows of a style at one layer.

    Attributes:
        mean: ``N x C x 1 x 1``, float32.
        std: ``N x C x 1 x 1``, float32, at least ``sqrt(EPS)``.
    """

    mean: Tensor
    std: Tensor


def channel_statistics(features: Tensor, eps: float = EPS, region: Tensor | None = None) -> Statistics:
    """Mean and standard deviation of each sample's channels over height and width.

    Args:
        features: ``N x C x H x W``, any floating dtype.
        eps: Added to the population variance, ``sigma^2 = mean((x - mu)^2) + eps``.
        region: ``N`` or ``1 x 1 x H x W``, at least 0: how much each place counts. Everywhere the same if None.

    Returns:
        Statistics in float32. Of a region that is empty: mean 0, deviation ``sqrt(eps)``.

    Source:
        Huang & Belongie 2017, equations 5 and 6: the population variance, not the unbiased one. Of a region: section
        7.3, spatial control.
    """
    if region is not None:
        features = features.float()
        share = region.float() / region.float().sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
        mean = (features * share).sum(dim=(2, 3), keepdim=True)
        variance = ((features - mean).square_() * share).sum(dim=(2, 3), keepdim=True)
        return Statistics(mean, (variance + eps).sqrt())
    return Statistics(*mean_std(features, eps))


def adain(content: Tensor, style: Statistics, own: Statistics | None = None) -> Tensor:
    """Adaptive instance normalization: the content's features with the style's channel statistics.

    ``AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y)``

    Args:
        content: ``N x C x H x W`` features.
        style: Statistics of the style's features, ``N`` or 1 samples.
        own: ``mu(x)`` and ``sigma(x)`` in place of those of ``content``: of the whole picture where ``content`` is a
            tile of it, or smoothed over the frames of a video.

    Returns:
        ``N x C x H x W`` in the dtype of ``content``.

    Source:
        Huang & Belongie 2017, equation 8.
    """
    own = channel_statistics(content) if own is None else own
    scale = style.std / own.std
    return (content * scale + (style.mean - own.mean * scale)).to(content.dtype)


def mix(styles: Sequence[Statistics], weights: Sequence[float] | None = None) -> Statistics:
    """Several styles as one: the weighted mean of their statistics.

    AdaIN is linear in the style's statistics, so AdaIN with this *is* the weighted mean of the AdaIN outputs.

    Args:
        styles: One or more.
        weights: One a style, of any sum but 0: they are divided by it. Equal if None.

    Source:
        Huang & Belongie 2017, section 7.3, style interpolation, equation 15.
    """
    given = [1.0] * len(styles) if weights is None else [float(weight) for weight in weights]
    shares = [weight / sum(given) for weight in given]
    return Statistics(
        sum((style.mean * share for style, share in zip(styles, shares, strict=True)), torch.zeros(())),
        sum((style.std * share for style, share in zip(styles, shares, strict=True)), torch.zeros(())),
    )


def regions(masks: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """Masks that may overlap, as the shares that styles have in each place.

    Args:
        masks: ``N x K x H x W`` in [0, 1], one channel a style.
        weights: One a style. Where masks overlap, style k has a share in proportion to ``weight_k mask_k``.

    Returns:
        ``N x K x H x W``. The sum over K is how much of a place is covered: ``min(1, sum of masks)``.
    """
    weighted = masks.float()
    if weights is not None:
        factors = torch.tensor([float(weight) for weight in weights], device=masks.device).view(1, -1, 1, 1)
        weighted, masks = weighted * factors, masks * (factors > 0)
    covered = masks.float().sum(1, keepdim=True).clamp_max(1)
    return weighted / weighted.sum(1, keepdim=True).clamp_min(1e-12) * covered


def own_statistics(features: Tensor, shares: Tensor | None = None) -> list[Statistics]:
    """The content's statistics that ``target`` needs: of the whole, or one of each region.

    Args:
        features: ``N x C x H x W``.
        shares: ``N`` or ``1 x K x H x W``, what ``regions`` makes of masks.
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
    own: Sequence[Statistics] | None = None,
) -> Tensor:
    """What the decoder is given: the content's features with the statistics of one or several styles.

    Args:
        features: The content's, ``N x C x H x W``.
        styles: K styles' statistics, each of ``N`` or 1 samples.
        weights: One a style, for mixing; ignored where ``shares`` are given, which have them in already.
        shares: ``N`` or ``1 x K x H x W``, what ``regions`` makes of masks: each style acts in its region alone, on
            the statistics of that region. A place that no region covers keeps its features.
        alpha: 0 keeps the features, 1 is the full style; beyond 1 exaggerates.
        own: What ``own_statistics(features, shares)`` gives, if it is known or is to be others.

    Returns:
        ``N x C x H x W`` in the dtype of ``features``.

    Source:
        Huang & Belongie 2017, sections 7.2 and 7.3.
    """
    own = own_statistics(features, shares) if own is None else own
    if shares is None:
        styled = adain(features, mix(styles, weights) if len(styles) > 1 else styles[0], own[0])
    else:
        covered = shares.sum(1, keepdim=True)
        styled = torch.where(covered > 1e-6, 0, features)
        for share, style, of_region in zip(torch.split(shares, 1, dim=1), styles, own, strict=True):
            styled = styled + adain(features, style, of_region) * (share / covered.clamp_min(1e-6))
        styled = styled.to(features.dtype)
    return torch.lerp(features, styled, alpha)
