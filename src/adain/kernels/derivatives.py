"""Hand-written derivatives of the operations that dominate a training step's time and memory.

They were measured with torch's CPU kernels; ``layers`` decides where to use them. They have no second derivatives.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from adain.kernels.winograd import convolve_rows, pays


class PaddedConvolution(torch.autograd.Function):
    """Pad by one pixel, convolve 3x3 and, if asked, apply ReLU, as one operation.

    Autograd of the separate steps keeps a padded copy of every input beside the input itself, even where the weights are
    frozen and nothing needs it. This keeps only the input (the previous layer's output), and only where the weights
    learn; the backward pass pads it again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
        """Map ``N x C x H x W`` to ``N x O x H x W``; x and weight share a dtype."""
        output = convolve_on_cpu(x, weight, bias, mode, rectify)
        ctx.size, ctx.mode, ctx.has_bias = x.shape, mode, bias is not None
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight, output if rectify else None)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """Return the same gradients as autograd of the separate steps."""
        x, weight, output = ctx.saved_tensors
        if output is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(gradient, weight, ctx.size, ctx.mode)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(gradient, F.pad(x, (1, 1, 1, 1), mode=ctx.mode), weight)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None, None


def _of_input(gradient: Tensor, weight: Tensor, size: torch.Size, mode: str) -> Tensor:
    around = 0 if mode == "reflect" else 1
    if pays(gradient, weight):  # the gradient is a convolution too, with flipped weights
        flipped = weight.transpose(0, 1).flip(2, 3)
        of_padded = convolve_rows(F.pad(gradient, [2 - around] * 4), flipped, None)
    else:
        batch, channels, height, width = size
        padded = gradient.new_empty(1).expand(batch, channels, height + 2 - 2 * around, width + 2 - 2 * around)
        of_padded = torch.ops.aten.convolution_backward(
            gradient, padded, weight, None, [1, 1], [around] * 2, [1, 1], False, [0, 0], 1, [True, False, False]
        )[0]  # only the size of `padded` is read, so one expanded number is enough
    return of_padded if around else _fold(of_padded, 2)


class ReflectedBorder(torch.autograd.Function):
    """Pad by reflecting one pixel, in channels last and in its derivative too.

    ``F.pad`` answers a channels-last map by a channels-first one, which every convolution on a GPU copies back. Here an
    empty channels-last map is filled by slices. It is for where ``between`` cannot run: without Triton.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Map ``N x C x H x W``, H and W at least 2, to ``N x C x H+2 x W+2``."""
        batch, channels, height, width = x.shape
        shape = (batch, channels, height + 2, width + 2)
        padded = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        padded[..., 1:-1, 1:-1] = x
        padded[..., 0, 1:-1], padded[..., -1, 1:-1] = x[..., 1, :], x[..., -2, :]
        padded[..., 0], padded[..., -1] = padded[..., 2], padded[..., -3]
        return padded

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Add the border's gradient to that of the pixels it repeats."""
        folded = _fold(gradient.clone(memory_format=torch.channels_last), 2)
        return folded.contiguous(memory_format=torch.channels_last)


def reflect(x: Tensor) -> Tensor:
    """Pad by reflecting one pixel, and stay in channels last on a GPU."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    if last and x.device.type != "cpu" and not torch.compiler.is_compiling():
        padded: Tensor = ReflectedBorder.apply(x)
        return padded
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
    """Pad, convolve and, if asked, apply ReLU with torch's own operations."""
    output = F.conv2d(reflect(x), weight, bias) if mode == "reflect" else F.conv2d(x, weight, bias, padding=1)
    return F.relu_(output) if rectify else output  # in place: a convolution's backward does not need its output


def convolve_on_cpu(x: Tensor, weight: Tensor, bias: Tensor | None, mode: str, rectify: bool) -> Tensor:
    """Do the same as ``convolve``, by rows (``winograd``) where that is faster."""
    if not pays(x, weight):
        return convolve(x, weight, bias, mode, rectify)
    return convolve_rows(F.pad(x, (1, 1, 1, 1), mode=mode), weight, bias, rectify)


def _fold(padded: Tensor, source: int) -> Tensor:
    """Return the gradient of padding by one: add each border to the row or column it copies. Writes to ``padded``.

    Args:
        padded: ``N x C x H+2 x W+2``.
        source: The row that the first row copies, likewise on all sides: 2 for reflection, 1 for replication.
    """
    padded[..., source, :] += padded[..., 0, :]
    padded[..., -1 - source, :] += padded[..., -1, :]
    padded[..., source] += padded[..., 0]
    padded[..., -1 - source] += padded[..., -1]
    return padded[..., 1:-1, 1:-1]


class DoubledConvolution(torch.autograd.Function):
    """Compute ``layers.doubled_conv2d`` from its 4x4 kernel.

    torch's derivative of a transposed convolution is two to five times slower than its arithmetic: it computes the
    bias gradient by way of the weight gradient, which is slow in 16 bits. Here it is split into those of four ordinary
    convolutions, one per position among the four output pixels of an input pixel.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Map ``N x C x h x w`` and ``C x O x 4 x 4`` to ``N x O x 2h x 2w``."""
        ctx.has_bias = bias is not None
        ctx.save_for_backward(x, kernel)
        return convolve_doubled(x, kernel, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the same gradients as autograd of the separate steps."""
        x, kernel = ctx.saved_tensors
        of_x = of_kernel = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _fold(F.conv2d(gradient, kernel, stride=2, padding=3), 1)
        if ctx.needs_input_grad[1]:
            padded = _repeat_border(x)
            if gradient.element_size() == 2:
                of_kernel = _by_phases(padded, kernel, gradient)
            else:
                of_kernel = _of_weight(gradient, padded, kernel, 2, 3)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_kernel, of_bias


def convolve_doubled(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Pad and apply the transposed convolution with torch's own operations."""
    return F.conv_transpose2d(_repeat_border(x), kernel, bias, stride=2, padding=3)


def _repeat_border(x: Tensor) -> Tensor:
    """Pad by one repeated pixel. torch 2.15's compiler expects the derivative of its own padding in another layout."""
    if not torch.compiler.is_compiling():
        return F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
    return torch.cat([x[..., :1], x, x[..., -1:]], 3)


def _by_phases(padded: Tensor, kernel: Tensor, gradient: Tensor) -> Tensor:
    """Return the kernel's gradient. Every second row and column of the output uses the same 2x2 part of the 4x4 kernel."""
    height, width = padded.shape[2] - 1, padded.shape[3] - 1
    layout = (
        torch.channels_last if gradient.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    )
    of_kernel = torch.empty_like(kernel)
    small = kernel[..., :2, :2].transpose(0, 1).contiguous(memory_format=layout)
    for row in (0, 1):
        for column in (0, 1):
            window = padded[..., row : row + height, column : column + width].contiguous(memory_format=layout)
            phase = gradient[..., row::2, column::2].contiguous(memory_format=layout)
            of_part = _of_weight(phase, window, small)
            of_kernel[..., 1 - row :: 2, 1 - column :: 2] = of_part.transpose(0, 1).flip(2, 3)
    return of_kernel


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the weight gradient of a convolution, or of a transposed one if ``stride`` is above 1."""
    of_weight: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, [gradient.shape[1]], [stride] * 2, [padding] * 2, [1, 1], stride > 1, [0, 0], 1,
        [False, True, False],
    )[1]  # fmt: skip
    return of_weight


class ChannelMoments(torch.autograd.Function):
    """Compute mean and standard deviation over height and width, in float32 from features of any precision.

    Autograd of the separate steps reads and writes float32 copies of the feature map some ten times. The gradient is
    ``a x + b`` with one a and one b per channel, so the features are enough, and the next layer keeps them anyway.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """Map ``N x C x H x W`` to mean and standard deviation, ``N x C x 1 x 1`` each."""
        mean, variance = moments(features)
        deviation = (variance + eps).sqrt()
        ctx.save_for_backward(features, mean, deviation)
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_deviation: Tensor) -> tuple[Tensor, None]:
        """Return ``(of_mean + of_deviation (x - mean) / deviation) / (H W)``."""
        features, mean, deviation = ctx.saved_tensors
        positions = features.shape[2] * features.shape[3]
        slope = of_deviation / (deviation * positions)
        offset = of_mean / positions - mean * slope
        # in the features' own precision, as the gradients are: in float32 this would be the slowest step of all
        return features.mul(slope.to(features.dtype)).add_(offset.to(features.dtype)), None


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and population variance of each sample's channels on a CPU.

    ``torch.var_mean`` is a scalar loop on a CPU, twenty times slower than reading the memory. Channels-first float32
    takes two vectorized passes; any other layout or precision uses batch normalization's kernel, one sample at a time.

    Args:
        features: ``N x C x H x W``.

    Returns:
        Two tensors of ``N x C x 1 x 1``, float32.
    """
    if features.is_contiguous() and features.dtype in (torch.float32, torch.float64):
        flat = features.float().flatten(2)
        mean = flat.mean(2, keepdim=True)
        centered = flat - mean
        variance = torch.linalg.vecdot(centered, centered)[..., None] / flat.shape[2]
        return mean[..., None], variance[..., None]
    running = features.new_zeros(features.shape[1], dtype=torch.float32)  # sets the dtype of the results
    per_sample = [torch.batch_norm_update_stats(sample[None], running, running.clone(), 0.0) for sample in features]
    mean, variance = (torch.stack(list(part))[..., None, None] for part in zip(*per_sample, strict=True))
    return mean, variance
