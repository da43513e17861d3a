"""The steps of a network that a training step's time and memory go to, with derivatives written by hand.

For torch's own CPU kernels, where they were measured; ``functional`` decides. They cannot be derived twice.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from adain.kernels.winograd import convolve_rows, pays


class PaddedConvolution(torch.autograd.Function):
    """Padding by one pixel, a 3x3 convolution, and ReLU where asked for, all three in one.

    Derived one by one, autograd keeps the padded copy of every input beside the input itself, also where the weights are
    frozen and nothing will ask for it. Here the input alone is kept, which is the output of the layer before, and only
    where the weights learn; the padded copy is made again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
        """``N x C x H x W`` to ``N x O x H x W``; x and weight of one dtype."""
        output = convolve_on_cpu(x, weight, bias, mode, rectify)
        ctx.size, ctx.mode, ctx.has_bias = x.shape, mode, bias is not None
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight, output if rectify else None)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """What the parts' own derivatives would give."""
        x, weight, output = ctx.saved_tensors
        if output is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(gradient, weight, ctx.size, ctx.mode)
        if ctx.needs_input_grad[1]:
            given = F.pad(x, (1, 1, 1, 1), mode=ctx.mode)
            of_weight = _of_weight(gradient, given, weight)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None, None


def _of_input(gradient: Tensor, weight: Tensor, size: torch.Size, mode: str) -> Tensor:
    around = 0 if mode == "reflect" else 1
    if pays(gradient, weight):  # it is a convolution of the output's derivative, with the weights turned around
        turned = weight.transpose(0, 1).flip(2, 3)
        found = convolve_rows(F.pad(gradient, [2 - around] * 4), turned, None)
    else:
        batch, channels, height, width = size
        padded = gradient.new_empty(1).expand(batch, channels, height + 2 - 2 * around, width + 2 - 2 * around)
        found = torch.ops.aten.convolution_backward(
            gradient, padded, weight, None, [1, 1], [around] * 2, [1, 1], False, [0, 0], 1, [True, False, False]
        )[0]  # of what the convolution was given, its size alone is looked at
    return found if around else _fold(found, 2)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
    """Padding, convolution and ReLU, plainly."""
    if mode == "reflect":
        output = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    else:
        output = F.conv2d(x, weight, bias, padding=1)
    return F.relu_(output) if rectify else output  # a convolution does not need its output again, backward either


def convolve_on_cpu(x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
    """The same by rows where that is faster."""
    if not pays(x, weight):
        return convolve(x, weight, bias, mode, rectify)
    return convolve_rows(F.pad(x, (1, 1, 1, 1), mode=mode), weight, bias, rectify)


def _fold(padded: Tensor, source: int) -> Tensor:
    """The derivative of padding by one: each border goes to the row or column it is a copy of. Written in place.

    Args:
        padded: ``N x C x H+2 x W+2``.
        source: Which row of it the first row is a copy of, and so on around: 2 for reflection, 1 for repetition.
    """
    padded[..., source, :] += padded[..., 0, :]
    padded[..., -1 - source, :] += padded[..., -1, :]
    padded[..., source] += padded[..., 0]
    padded[..., -1 - source] += padded[..., -1]
    return padded[..., 1:-1, 1:-1]


class DoubledConvolution(torch.autograd.Function):
    """What ``functional.doubled_conv2d`` does, given its 4x4 kernel.

    A transposed convolution's own derivative is two to five times slower than its arithmetic: the bias's is computed by way
    of the weights', and in 16 bits the weights' is slow by itself. It is taken apart here into those of four ordinary
    convolutions, one for each place among the four pixels that an input pixel became.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """``N x C x h x w`` and ``C x O x 4 x 4`` to ``N x O x 2h x 2w``."""
        ctx.has_bias = bias is not None
        ctx.save_for_backward(x, kernel)
        return convolve_doubled(x, kernel, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """What the parts' own derivatives would give."""
        x, kernel = ctx.saved_tensors
        of_x = of_kernel = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _fold(F.conv2d(gradient, kernel, stride=2, padding=3), 1)
        if ctx.needs_input_grad[1]:
            padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
            if gradient.element_size() == 2:
                of_kernel = _by_phases(padded, kernel, gradient)
            else:
                of_kernel = _of_weight(gradient, padded, kernel, 2, 3)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_kernel, of_bias


def convolve_doubled(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Padding and transposed convolution, plainly."""
    return F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, bias, stride=2, padding=3)


def _by_phases(padded: Tensor, kernel: Tensor, gradient: Tensor) -> Tensor:
    """The kernel's derivative: every second row and column of the output saw the same 2x2 of the kernel's 4x4."""
    height, width = padded.shape[2] - 1, padded.shape[3] - 1
    layout = (
        torch.channels_last if gradient.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    )
    of_kernel = torch.empty_like(kernel)
    small = kernel[..., :2, :2].transpose(0, 1).contiguous(memory_format=layout)
    for row in (0, 1):
        for column in (0, 1):
            seen = padded[..., row : row + height, column : column + width].contiguous(memory_format=layout)
            part = gradient[..., row::2, column::2].contiguous(memory_format=layout)
            found = _of_weight(part, seen, small)
            of_kernel[..., 1 - row :: 2, 1 - column :: 2] = found.transpose(0, 1).flip(2, 3)
    return of_kernel


def _of_weight(gradient: Tensor, given: Tensor, weight: Tensor, stride: int = 1, around: int = 0) -> Tensor:
    """The weights' derivative of a convolution, or with a stride of a transposed one."""
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, given, weight, [gradient.shape[1]], [stride] * 2, [around] * 2, [1, 1], stride > 1, [0, 0], 1,
        [False, True, False],
    )[1]  # fmt: skip
    return found


class ChannelMoments(torch.autograd.Function):
    """Mean and standard deviation over height and width, from features of any precision, in float32.

    Derived step by step, both passes and their backward pass go over float32 copies of the feature map, some ten times.
    The derivative is ``a x + b`` with one a and one b for each channel, so the features, which the next layer keeps
    anyway, are enough.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """``N x C x H x W`` to two of ``N x C x 1 x 1``."""
        mean, variance = moments(features)
        deviation = (variance + eps).sqrt()
        ctx.save_for_backward(features, mean, deviation)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_deviation: Tensor) -> tuple[Tensor, None]:
        """``(of_mean + of_deviation (x - mean) / deviation) / (H W)``."""
        features, mean, deviation = ctx.saved_tensors
        positions = features.shape[2] * features.shape[3]
        slope = of_deviation / (deviation * positions)
        offset = of_mean / positions - mean * slope
        # in the features' precision, which is that of the gradients: in float32 it would take the longest of all steps
        return features.mul(slope.to(features.dtype)).add_(offset.to(features.dtype)), None


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance of each sample's channels, ``N x C x 1 x 1`` in float32, on a CPU.

    ``torch.var_mean`` is a scalar loop there, twenty times slower than reading the memory. Channels-first float32 has a
    vectorized way in two passes; any other layout and precision has batch normalization's kernel, a sample at a time.
    """
    if features.is_contiguous() and features.dtype in (torch.float32, torch.float64):
        flat = features.float().flatten(2)
        mean = flat.mean(2, keepdim=True)
        centered = flat - mean
        variance = torch.linalg.vecdot(centered, centered)[..., None] / flat.shape[2]
        return mean[..., None], variance[..., None]
    running = features.new_zeros(features.shape[1], dtype=torch.float32)  # its dtype is that of the results
    found = [torch.batch_norm_update_stats(sample[None], running, running.clone(), 0.0) for sample in features]
    mean, variance = (torch.stack(list(part))[..., None, None] for part in zip(*found, strict=True))
    return mean, variance
