"""The training losses as pure functions of pictures, features and statistics. No network is known here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.statistics import Statistics
from adain.runtime.schema import StyleReduction


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


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared error between the output's deepest features and the AdaIN target.

    Args:
        features: ``N x C x H x W``, the encoder's features of the output picture.
        target: The same shape, the AdaIN output that the decoder was given.

    Returns:
        Scalar in float32, averaged over ``N C H W``.

    Source:
        Huang & Belongie 2017, equation 12; averaged as in the authors' Lua code.
    """
    return F.mse_loss(features.float(), target.float())


def style_loss(output: Statistics, style: Statistics, reduction: StyleReduction) -> Tensor:
    """Squared distance between two sets of channel statistics at one layer.

    Args:
        output: Statistics of the output picture's features.
        style: Statistics of the style picture's features, same shape.
        reduction: ``"mean"`` averages over samples and channels; ``"sum"`` sums over channels and averages over
            samples, as the authors' code does. For a layer of C channels, sum = C x mean, so the published
            weights of the two conventions differ by 64, 128, 256 and 512 at the four layers.

    Returns:
        Scalar in float32: the term for the mean plus the term for the standard deviation.

    Source:
        Huang & Belongie 2017, equation 13.
    """
    per_channel = (output.mean - style.mean).square() + (output.std - style.std).square()
    per_sample = per_channel.flatten(1)
    return per_sample.mean() if reduction == "mean" else per_sample.sum(1).mean()


def gram_loss(output: Tensor, style: Tensor) -> Tensor:
    """Squared distance between two Gram matrices at one layer: ``sum (G - A)^2 / (4 C^2)``, averaged over samples.

    Args:
        output: ``N x C x C``, ``functional.gram`` of the output picture's features.
        style: ``N`` or 1 ``x C x C``, of the style picture's.

    Returns:
        Scalar in float32.

    Source:
        Gatys et al. 2016, equation 4, where both pictures have M positions; ours differ, so M is in ``gram``.
    """
    return (output - style).square().mean() / 4


def total_variation(picture: Tensor) -> Tensor:
    """Mean squared difference between neighboring pixels, vertically plus horizontally.

    Args:
        picture: ``N x 3 x H x W``, RGB in [0, 1].

    Returns:
        Scalar in float32. 0 for a flat picture.
    """
    x = picture.float()
    return (x[..., 1:, :] - x[..., :-1, :]).square().mean() + (x[..., 1:] - x[..., :-1]).square().mean()


def identity_loss(reconstruction: Tensor, picture: Tensor) -> Tensor:
    """Mean squared pixel error of a picture decoded from its own, untransformed features.

    Args:
        reconstruction: ``N x 3 x H x W``, the decoder's picture of ``f(picture)``.
        picture: The same shape, RGB in [0, 1].

    Returns:
        Scalar in float32.

    Source:
        The identity loss of Park & Lee 2019 (SANet), first term.
    """
    return F.mse_loss(reconstruction.float(), picture.float())


def weighted_total(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Weighted sum of named terms.

    Args:
        terms: Scalars by name. A name such as ``style/relu1_1`` takes the weight of its full name if there is one,
            else of the part before the slash.
        weights: Weight by name. Every term must find one.

    Returns:
        Scalar: the loss to minimize.
    """
    return sum(  # type: ignore[return-value]
        (weights[name] if name in weights else weights[name.split("/")[0]]) * term for name, term in terms.items()
    )
