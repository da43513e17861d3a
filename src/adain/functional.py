"""Pure tensor functions of style transfer: no classes, no configuration, no state.

Feature maps are ``N x C x H x W``. Every statistic is computed in float32 whatever the input's precision: a
variance summed over a feature map overflows float16 and loses its small channels in bfloat16.
"""

from __future__ import annotations

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
    if _on_plain_cpu(features):  # two vectorised passes: torch's one pass is a scalar loop there
        flat = features.float().flatten(2)
        mean = flat.mean(2, keepdim=True)
        centred = flat - mean
        variance = torch.linalg.vecdot(centred, centred)[..., None] / flat.shape[2]
        return Statistics(mean[..., None], (variance + eps).sqrt()[..., None])
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    return Statistics(mean, (variance + eps).sqrt())


def _on_plain_cpu(features: Tensor) -> bool:
    """Whether torch's own CPU kernels run on channels-first memory: a compiler or an exporter has better ones."""
    return not torch.compiler.is_compiling() and features.device.type == "cpu" and features.is_contiguous()


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
    if _on_plain_cpu(x) and not learning and x.shape[-2] % 2 == 0 and x.shape[-1] % 2 == 0:
        rows = torch.maximum(x[..., ::2, :], x[..., 1::2, :])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])
    return F.max_pool2d(x, 2, ceil_mode=ceil_mode)


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


def doubled_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Nearest x2 up-sampling, reflection padding by 1 and a 3x3 convolution, as one transposed convolution.

    Among four equal neighbours a 3x3 window meets only 2 x 2 different pixels, so sums of its weights do the same in
    4/9 of the operations, and the enlarged feature map is never made. Reflection by one pixel of what was doubled
    repeats its border, so the small map is padded with its own border.

    Args:
        x: ``N x C x h x w``.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.

    Returns:
        ``N x O x 2h x 2w``: equal to the three steps up to rounding.
    """
    # Row m of the 4 x 4 kernel holds the rows of the 3 x 3 one that reach an output from a pixel doubled m - 1 away.
    rows = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    kernel = torch.einsum("mk,nl,oikl->iomn", rows, rows, weight)
    return F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, bias, stride=2, padding=3)
