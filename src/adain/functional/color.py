"""Color transfer as pure tensor functions: give the style the content's colors, or keep the content's chroma."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Colors(NamedTuple):
    """First and second moments of a picture's pixels.

    Attributes:
        mean: ``N x 3``.
        covariance: ``N x 3 x 3``, the population covariance.
    """

    mean: Tensor
    covariance: Tensor


def colors(picture: Tensor) -> Colors:
    """Return the mean color and color covariance in float64, without a float64 copy of the whole picture.

    Args:
        picture: ``N x 3 x H x W`` in [0, 1], or uint8.
    """
    scale = 255.0 if picture.dtype == torch.uint8 else 1.0
    strips = torch.split(picture, max(1, 2**20 // picture.shape[-1]), dim=2)
    pixels = picture.shape[-2] * picture.shape[-1]
    mean = sum((strip.flatten(2).double().sum(2) for strip in strips), torch.zeros(())) / pixels
    products = torch.zeros(())
    for strip in strips:
        centered = strip.flatten(2).double() - mean.unsqueeze(2)
        products = products + centered @ centered.transpose(1, 2)
    return Colors(mean / scale, products / pixels / scale**2)


def coral(style: Tensor, content: Colors, style_colors: Colors | None = None, ridge: float = 1e-5) -> Tensor:
    """Return the style picture with the content's colors, by correlation alignment.

    The style's pixels are normalized per color channel, whitened by the inverse symmetric root of their correlation
    matrix, colored by the symmetric root of the content's, and given the content's standard deviation and mean.

    Args:
        style: ``N x 3 x H x W`` in [0, 1].
        content: ``colors`` of the content, ``N`` or 1 samples.
        style_colors: ``colors`` of the whole style picture if ``style`` is a tile of it.
        ridge: Added to the diagonal of both correlation matrices, so that a gray or single-color picture has a root.

    Returns:
        ``N x 3 x H x W`` in the dtype of ``style``, not clamped: some pixels may leave [0, 1].

    Source:
        The authors' code, ``lib/utils.lua: coral`` (after Sun, Feng & Saenko 2016); it adds 1 to the diagonal before
        dividing by the number of pixels.
    """
    style_colors = colors(style) if style_colors is None else style_colors
    style_std, style_root = _correlation_root(style_colors, ridge)
    std, root = _correlation_root(content, ridge)
    matrix = std.unsqueeze(2) * (root @ torch.linalg.inv(style_root)) / style_std.unsqueeze(1)
    shift = content.mean.unsqueeze(2) - matrix @ style_colors.mean.unsqueeze(2)
    moved: Tensor = matrix.float() @ style.flatten(2).float() + shift.float()
    return moved.view(-1, *style.shape[1:]).to(style.dtype)


def _correlation_root(given: Colors, ridge: float) -> tuple[Tensor, Tensor]:
    """Return the standard deviations, ``N x 3``, and the symmetric square root of the correlation matrix."""
    std = given.covariance.diagonal(dim1=1, dim2=2).clamp_min(1e-10).sqrt()
    correlation = given.covariance / (std.unsqueeze(1) * std.unsqueeze(2))
    values, vectors = torch.linalg.eigh(correlation + ridge * torch.eye(3).to(correlation))
    return std, vectors * values.clamp_min(ridge).sqrt().unsqueeze(1) @ vectors.transpose(1, 2)


def keep_chroma(output: Tensor, content: Tensor) -> Tensor:
    """Return the luminance of one picture with the colors of another.

    A color that does not fit into [0, 1] at the new luminance is desaturated, which keeps hue and luminance; clipping
    would change both.

    Args:
        output: ``N x 3 x H x W`` in [0, 1]: gives the luminance (Rec. 601).
        content: The same shape: gives the chroma, the difference of each pixel from its gray value.

    Returns:
        ``N x 3 x H x W`` in [0, 1].

    Source:
        After Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", luminance-only transfer.
    """
    luma = torch.tensor([0.299, 0.587, 0.114]).to(output).view(1, 3, 1, 1)
    gray = (output * luma).sum(1, keepdim=True)
    chroma = content - (content * luma).sum(1, keepdim=True)
    above, below = chroma.amax(1, keepdim=True).clamp_min(1e-6), (-chroma).amax(1, keepdim=True).clamp_min(1e-6)
    return (gray + chroma * torch.minimum((1 - gray) / above, gray / below).clamp(0, 1)).clamp(0, 1)
