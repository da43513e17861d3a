"""The convolutions, pooling and statistics that all networks use, each by the fastest way for its device.

On a CPU these are ours: by rows (``winograd``), with hand-written derivatives (``derivatives``). Other devices,
compilers and exporters get torch's own operations, and a GPU our statistics (``between``). ``chain`` strings them together.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from adain.kernels.between import channel_moments, takes_kernels
from adain.kernels.derivatives import (
    ChannelMoments,
    DoubledConvolution,
    PaddedConvolution,
    convolve,
    convolve_doubled,
    convolve_on_cpu,
)


def _on_plain_cpu(features: Tensor) -> bool:
    """Return whether torch's CPU kernels will run. Compilers and exporters bring better ones."""
    return not torch.compiler.is_compiling() and features.device.type == "cpu"


def _on_cpu(
    derived: type[Function],
    plain: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *options: str | bool,
) -> Tensor:
    """Run a convolution with its hand-written derivative, or plainly if nothing needs a gradient.

    Autocast does not look inside either, so the casts are done here.
    """
    learning = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    with torch.autocast("cpu", enabled=False):  # autocast would pad in float32
        output: Tensor = (derived.apply if learning else plain)(x, weight, bias, *options)
    return output


def padded_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: str = "reflect", rectify: bool = False
) -> Tensor:
    """Convolve 3x3 with padding that keeps the size and, if asked, apply ReLU.

    Args:
        x: ``N x C x H x W``, H and W at least 2.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        padding: ``"reflect"``, or ``"constant"`` for zeros.
        rectify: Whether to apply ReLU to the output.

    Returns:
        ``N x O x H x W``, in autocast's dtype if autocast is on.
    """
    if not _on_plain_cpu(x):
        return convolve(x, weight, bias, padding, rectify)
    return _on_cpu(PaddedConvolution, convolve_on_cpu, x, weight, bias, padding, rectify)


def doubled_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, rectify: bool = False) -> Tensor:
    """Up-sample x2 (nearest), pad by reflection and convolve 3x3 as one transposed convolution; then ReLU if asked.

    In an up-sampled map a 3x3 window covers only 2 x 2 different pixels. Summing the weights that meet the same pixel
    takes 4/9 of the operations and never creates the large map. Reflecting an up-sampled map by one pixel repeats its
    border, so the small map is padded by replication.

    Args:
        x: ``N x C x h x w``.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        rectify: Whether to apply ReLU to the output.

    Returns:
        ``N x O x 2h x 2w``, equal to the separate steps up to rounding.
    """
    # Row m of the 4 x 4 kernel sums the rows of the 3 x 3 kernel that connect an input pixel to its m-th output row.
    rows = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    kernel = torch.einsum("mk,nl,oikl->iomn", rows, rows, weight)
    if _on_plain_cpu(x):
        output = _on_cpu(DoubledConvolution, convolve_doubled, x, kernel, bias)
    else:
        output = convolve_doubled(x, kernel, bias)
    return F.relu_(output) if rectify else output


def max_pool(x: Tensor, ceil_mode: bool) -> Tensor:
    """Max-pool 2x2 with stride 2.

    Without a gradient, and with even sides, a CPU takes the maximum of strided views: several times faster than torch's
    kernel, which also stores 64-bit indices. With a gradient torch's kernel is faster.

    Args:
        x: ``N x C x H x W``.
        ceil_mode: Whether to keep an odd last row and column.

    Returns:
        ``N x C x H/2 x W/2``, rounded up with ``ceil_mode``, else down.
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
    if takes_kernels(features) and features.stride(1) == 1:  # channels first, the strides of a kernel's reads are slow
        return channel_moments(features, eps)
    if _on_plain_cpu(features):
        mean, std = ChannelMoments.apply(features, eps)
        return mean, std
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    return mean, (variance + eps).sqrt()
