"""The convolutions, pooling and statistics that all networks use, each the fastest way where it runs.

On a CPU these are ours: by rows (``winograd``), with derivatives by hand (``derivatives``). A compiler or an exporter has
better ones than these, and elsewhere torch's are used.
"""

from __future__ import annotations

from collections.abc import Callable

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


def mean_std(features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation of each sample's channels over height and width.

    Args:
        features: ``N x C x H x W``, any floating dtype.
        eps: Added to the population variance before the square root.

    Returns:
        Two tensors of ``N x C x 1 x 1``, float32.
    """
    if _on_plain_cpu(features):
        mean, std = ChannelMoments.apply(features, eps)
        return mean, std
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    return mean, (variance + eps).sqrt()
