"""Pure tensor functions of style transfer: no classes, no configuration, no state.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a
variance summed over a feature map overflows float16 and loses its small channels in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from adain.kernels.derivatives import (
    ChannelMoments,
    DoubledConvolution,
    PaddedConvolution,
    convolve,
    convolve_doubled,
    convolve_on_cpu,
)

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
    if _on_plain_cpu(features):
        mean, std = ChannelMoments.apply(features, eps)
        return Statistics(mean, std)
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    return Statistics(mean, (variance + eps).sqrt())


def _on_plain_cpu(features: Tensor) -> bool:
    """Whether torch's own CPU kernels run: a compiler or an exporter has better ones."""
    return not torch.compiler.is_compiling() and features.device.type == "cpu"


def _on_cpu(
    derived: type[Function],
    plain: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *options: str | bool,
) -> Tensor:
    """A convolution with its derivative by hand, or plainly where nothing learns; autocast, which looks into neither, done."""
    learning = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    with torch.autocast("cpu", enabled=False):  # it would pad in float32
        output: Tensor = (derived.apply if learning else plain)(x, weight, bias, *options)
    return output


def padded_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: str = "reflect", rectify: bool = False
) -> Tensor:
    """A 3x3 convolution that keeps the size, and ReLU behind it where asked for.

    Args:
        x: ``N x C x H x W``, H and W at least 2.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        padding: ``"reflect"`` or ``"constant"``, zeros.
        rectify: Whether negative outputs become 0.

    Returns:
        ``N x O x H x W``; under autocast in its dtype.
    """
    if not _on_plain_cpu(x):
        return convolve(x, weight, bias, padding, rectify)
    return _on_cpu(PaddedConvolution, convolve_on_cpu, x, weight, bias, padding, rectify)


def max_pool(x: Tensor, ceil_mode: bool) -> Tensor:
    """2x2 max-pooling with stride 2.

    On a CPU, where no gradient is wanted and both sides are even, it is the maximum of strided views, several times
    faster than torch's kernel, which also finds and keeps 64-bit indices. With a gradient torch's is the faster one.

    Args:
        x: ``N x C x H x W``.
        ceil_mode: Whether an odd last row and column are kept.

    Returns:
        ``N x C x H/2 x W/2``, rounded up or down.
    """
    learning = x.requires_grad and torch.is_grad_enabled()
    if _on_plain_cpu(x) and x.is_contiguous() and not learning and x.shape[-2] % 2 == 0 and x.shape[-1] % 2 == 0:
        rows = torch.maximum(x[..., ::2, :], x[..., 1::2, :])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])
    return F.max_pool2d(x, 2, ceil_mode=ceil_mode)


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

    Resemblance is the normalized cross-correlation ``<p, q> / (|p| |q|)``. The norm of the content's patch p does not
    change which q is best, so all scores are one convolution of the content with the normalized style patches. The chosen
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


def doubled_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, rectify: bool = False) -> Tensor:
    """Nearest x2 up-sampling, reflection padding by 1 and a 3x3 convolution, as one transposed convolution; and ReLU.

    Among four equal neighbors a 3x3 window meets only 2 x 2 different pixels, so sums of its weights do the same in
    4/9 of the operations, and the enlarged feature map is never made. Reflection by one pixel of what was doubled
    repeats its border, so the small map is padded with its own border.

    Args:
        x: ``N x C x h x w``.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        rectify: Whether negative outputs become 0.

    Returns:
        ``N x O x 2h x 2w``: equal to the three steps up to rounding.
    """
    # Row m of the 4 x 4 kernel holds the rows of the 3 x 3 one that reach an output from a pixel doubled m - 1 away.
    rows = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    kernel = torch.einsum("mk,nl,oikl->iomn", rows, rows, weight)
    if _on_plain_cpu(x):
        output = _on_cpu(DoubledConvolution, convolve_doubled, x, kernel, bias)
    else:
        output = convolve_doubled(x, kernel, bias)
    return F.relu_(output) if rectify else output
