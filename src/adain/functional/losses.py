"""The training losses as pure functions of pictures, features and statistics. No network is known here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.statistics import Statistics, channel_statistics
from adain.runtime.schema import StyleMeasure, StyleReduction


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrix of each sample's channels, averaged over positions: ``G = F F' / (H W)``.

    Args:
        features: ``N x C x H x W``, any floating dtype.

    Returns:
        ``N x C x C`` in float32. Averaging instead of summing makes pictures of different sizes comparable.

    Source:
        Gatys et al. 2016, equation 3, divided by ``M = H W``.
    """
    flat = features.float().flatten(2)
    # divide first: a sum over a large VGG-19 feature map loses digits, and overflows under autocast
    with torch.autocast(flat.device.type, enabled=False):
        return (flat / flat.shape[2]) @ flat.transpose(1, 2)


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error between the output's deepest features and the AdaIN target.

    Args:
        features: ``N x C x H x W``, the encoder's features of the output picture.
        target: The same shape: the AdaIN features that the decoder decoded.

    Returns:
        Scalar in float32, averaged over ``N C H W``.

    Source:
        Huang & Belongie 2017, equation 12; averaged as in the authors' Lua code.
    """
    return F.mse_loss(features.float(), target.float())


def style_loss(output: Statistics, style: Statistics, reduction: StyleReduction) -> Tensor:
    """Return the squared distance between two sets of channel statistics at one layer.

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
    """Return the squared distance of two Gram matrices at one layer, ``sum (G - A)^2 / (4 C^2)``, averaged over samples.

    Args:
        output: ``N x C x C``, ``gram`` of the output picture's features.
        style: ``N`` or ``1 x C x C``, ``gram`` of the style picture's features.

    Returns:
        Scalar in float32.

    Source:
        Gatys et al. 2016, equation 4. There both pictures have M positions; ours may differ, so ``gram`` divides by M.
    """
    return (output - style).square().mean() / 4


def measure_style(features: Tensor, measure: StyleMeasure) -> Tensor | Statistics:
    """Return what a style is at one layer: its Gram matrix (``gram``), or its channel statistics (``statistics``).

    Args:
        features: ``N x C x H x W``, any floating dtype.
        measure: Which of the two.
    """
    return gram(features) if measure == "gram" else channel_statistics(features)


def measured_loss(output: Tensor | Statistics, style: Tensor | Statistics) -> Tensor:
    """Return the distance of two styles at one layer: ``style_loss``, averaged, or ``gram_loss``.

    Args:
        output: What ``measure_style`` returns for the output picture.
        style: The same for the style picture.

    Raises:
        TypeError: If the two are measured differently.
    """
    if isinstance(output, Statistics) and isinstance(style, Statistics):
        return style_loss(output, style, "mean")
    if isinstance(output, Tensor) and isinstance(style, Tensor):
        return gram_loss(output, style)
    raise TypeError(f"one style is a {type(output).__name__}, the other a {type(style).__name__}: measure both alike")


def total_variation(picture: Tensor) -> Tensor:
    """Return the mean squared difference between neighboring pixels, vertical plus horizontal.

    Args:
        picture: ``N x 3 x H x W``, RGB in [0, 1].

    Returns:
        Scalar in float32, 0 for a uniform picture.
    """
    x = picture.float()
    return (x[..., 1:, :] - x[..., :-1, :]).square().mean() + (x[..., 1:] - x[..., :-1]).square().mean()


def identity_loss(reconstruction: Tensor, picture: Tensor) -> Tensor:
    """Return the mean squared pixel error of a picture decoded from its own features.

    Args:
        reconstruction: ``N x 3 x H x W``, the decoder's output for ``f(picture)``.
        picture: The same shape, RGB in [0, 1].

    Returns:
        Scalar in float32.

    Source:
        The identity loss of Park & Lee 2019 (SANet), first term.
    """
    return F.mse_loss(reconstruction.float(), picture.float())


def weighted_total(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of named loss terms.

    Args:
        terms: Scalars by name. A name such as ``style/relu1_1`` uses the weight of its full name if there is one, else
            that of the part before the slash.
        weights: Weights by name. Every term needs one.

    Raises:
        KeyError: If a term has no weight.

    Returns:
        Scalar: the loss to minimize.
    """
    return sum(  # type: ignore[return-value]
        (weights[name] if name in weights else weights[name.split("/")[0]]) * term for name, term in terms.items()
    )
