"""Pure tensor functions of style transfer: no classes, no configuration, no state.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a
variance summed over a feature map overflows float16 and loses its small channels in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
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
    if region is None:
        variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
        return Statistics(mean, (variance + eps).sqrt())
    features = features.float()
    share = region.float() / region.float().sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    mean = (features * share).sum(dim=(2, 3), keepdim=True)
    variance = ((features - mean).square_() * share).sum(dim=(2, 3), keepdim=True)
    return Statistics(mean, (variance + eps).sqrt())


def adain(content: Tensor, style: Statistics, own: Statistics | None = None) -> Tensor:
    """Adaptive instance normalisation: the content's features with the style's channel statistics.

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


class Colours(NamedTuple):
    """First and second moments of a picture's pixels.

    Attributes:
        mean: ``N x 3``.
        covariance: ``N x 3 x 3``, of the population.
    """

    mean: Tensor
    covariance: Tensor


def colours(picture: Tensor) -> Colours:
    """A picture's mean colour and colour covariance, in float64, without a float64 copy of it.

    Args:
        picture: ``N x 3 x H x W`` in [0, 1], or uint8.
    """
    scale = 255.0 if picture.dtype == torch.uint8 else 1.0
    strips = torch.split(picture, max(1, 2**20 // picture.shape[-1]), dim=2)
    pixels = picture.shape[-2] * picture.shape[-1]
    mean = sum((strip.flatten(2).double().sum(2) for strip in strips), torch.zeros(())) / pixels
    products = torch.zeros(())
    for strip in strips:
        centred = strip.flatten(2).double() - mean.unsqueeze(2)
        products = products + centred @ centred.transpose(1, 2)
    return Colours(mean / scale, products / pixels / scale**2)


def coral(style: Tensor, content: Colours, own: Colours | None = None, ridge: float = 1e-5) -> Tensor:
    """A style picture with the content's colours: correlation alignment.

    The style's pixels, normalised per colour, are whitened by the inverse symmetric root of their correlation matrix
    and coloured by the symmetric root of the content's, then given the content's deviation and mean.

    Args:
        style: ``N x 3 x H x W`` in [0, 1].
        content: What ``colours`` says of the content, ``N`` or 1 samples.
        own: What it says of the style, if ``style`` is a tile of it.
        ridge: Added to the diagonal of both correlation matrices, so that a grey or one-coloured picture has a root.

    Returns:
        ``N x 3 x H x W`` in the dtype of ``style``, not clamped: single pixels may leave [0, 1].

    Source:
        The authors' code, ``lib/utils.lua: coral`` (after Sun, Feng & Saenko 2016); it adds 1 to the diagonal before
        dividing by the number of pixels.
    """
    own = colours(style) if own is None else own
    (own_std, own_root), (std, root) = _correlation_root(own, ridge), _correlation_root(content, ridge)
    matrix = std.unsqueeze(2) * (root @ torch.linalg.inv(own_root)) / own_std.unsqueeze(1)
    shift = content.mean.unsqueeze(2) - matrix @ own.mean.unsqueeze(2)
    moved: Tensor = matrix.float() @ style.flatten(2).float() + shift.float()
    return moved.view(-1, *style.shape[1:]).to(style.dtype)


def _correlation_root(given: Colours, ridge: float) -> tuple[Tensor, Tensor]:
    """Deviations, ``N x 3``, and the symmetric square root of the correlation matrix."""
    std = given.covariance.diagonal(dim1=1, dim2=2).clamp_min(1e-10).sqrt()
    correlation = given.covariance / (std.unsqueeze(1) * std.unsqueeze(2))
    values, vectors = torch.linalg.eigh(correlation + ridge * torch.eye(3).to(correlation))
    return std, vectors * values.clamp_min(ridge).sqrt().unsqueeze(1) @ vectors.transpose(1, 2)


def keep_chroma(output: Tensor, content: Tensor) -> Tensor:
    """The luminance of one picture with the colours of another.

    Where a colour does not fit into [0, 1] at the new luminance it is made paler, which keeps hue and luminance;
    clipping would change both.

    Args:
        output: ``N x 3 x H x W`` in [0, 1]: gives the luminance (Rec. 601).
        content: Of the same shape: gives the chroma, the difference of each pixel from its own grey.

    Returns:
        ``N x 3 x H x W`` in [0, 1].

    Source:
        After Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", luminance-only transfer.
    """
    luma = torch.tensor([0.299, 0.587, 0.114]).to(output).view(1, 3, 1, 1)
    grey = (output * luma).sum(1, keepdim=True)
    chroma = content - (content * luma).sum(1, keepdim=True)
    above, below = chroma.amax(1, keepdim=True).clamp_min(1e-6), (-chroma).amax(1, keepdim=True).clamp_min(1e-6)
    return (grey + chroma * torch.minimum((1 - grey) / above, grey / below).clamp(0, 1)).clamp(0, 1)


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


def style_swap(
    content: Tensor, style: Tensor, patch_size: int = 3, stride: int = 1, budget: int = 64 * 2**20
) -> Tensor:
    """Replaces each patch of the content's features by the style's patch that it resembles most.

    Resemblance is the normalised cross-correlation ``<p, q> / (|p| |q|)``. The norm of the content's patch p does not
    change which q is best, so all scores are one convolution of the content with the normalised style patches. The chosen
    patches laid over each other are one transposed convolution of the one-hot choice, which is computed as what it is,
    a gather and an overlap-add; where patches overlap they are averaged.

    The score map of all style patches would take ``(H W)^2`` numbers, 1 GiB at 512 px: style patches are taken in
    chunks and only the best score so far is kept.

    Args:
        content: ``N x C x H x W`` features, H and W at least ``patch_size``.
        style: ``N`` or 1 ``x C x h x w``, h and w at least ``patch_size``.
        patch_size: Side of a patch, in positions of the feature map.
        stride: Between two patches, of content and style; at most ``patch_size``, so that no position is left out.
        budget: Bytes that the scores of one chunk may take.

    Returns:
        ``N x C x H x W`` in the dtype of ``content``.

    Source:
        Chen & Schmidt 2016, sections 3.1 and 3.2.
    """
    size, styles = content.shape[-2:], style.to(content.dtype)
    # a last, incomplete step of the stride is filled up, so that the border is swapped too
    short = [(stride - (side - patch_size) % stride) % stride for side in size]
    padded = F.pad(content, (0, short[1], 0, short[0]), mode="replicate")
    swapped = [
        _swap_one(own[None], styles[index if len(styles) > 1 else 0][None], patch_size, stride, budget)
        for index, own in enumerate(padded)
    ]
    return torch.cat(swapped)[..., : size[0], : size[1]]


def _swap_one(content: Tensor, style: Tensor, patch_size: int, stride: int, budget: int) -> Tensor:
    channels, size = style.shape[1], content.shape[-2:]
    patches = F.unfold(style, patch_size, stride=stride)[0].T.contiguous()  # one a row
    norms = patches.float().norm(dim=1, keepdim=True).clamp_min(1e-8)
    rows, columns = ((side - patch_size) // stride + 1 for side in size)
    best = torch.full((rows, columns), -torch.inf, device=content.device)
    chosen = torch.zeros(rows, columns, dtype=torch.long, device=content.device)
    chunk = max(1, budget // (best.element_size() * rows * columns))
    for start in range(0, len(patches), chunk):
        part = slice(start, start + chunk)
        kernels = (patches[part] / norms[part]).to(content.dtype).view(-1, channels, patch_size, patch_size)
        score, index = F.conv2d(content, kernels, stride=stride)[0].max(0)
        better = score > best
        best = torch.where(better, score.to(best.dtype), best)
        chosen = torch.where(better, index + start, chosen)
    columns_of_patches = patches[chosen.flatten()].T[None]
    summed = F.fold(columns_of_patches, size, patch_size, stride=stride)
    ones = torch.ones(1, patch_size**2, rows * columns, dtype=content.dtype, device=content.device)
    return summed / F.fold(ones, size, patch_size, stride=stride)
