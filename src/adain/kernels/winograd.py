"""3x3 convolutions with two thirds of the multiplications, for torch's CPU kernels.

Winograd's F(2, 3) along the rows: two output rows come from four input rows. By the definition that takes six 1x3
convolutions of rows; by way of four sums of rows it takes four. In two dimensions it would take 4/9 of the
multiplications, but the sums then cost more than they save, and in 16 bits the error doubles.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.runtime.precision import InstructionSet, instruction_set

FEWEST_CHANNELS: dict[InstructionSet, dict[torch.dtype, int]] = {
    "amx": {
        torch.float32: 128
    },  # its matrix units run oneDNN's bfloat16 convolutions several times faster than any by rows
    "avx512_bf16": {torch.float32: 64, torch.bfloat16: 128},
    "avx512": {torch.float32: 64, torch.bfloat16: 128},
    "avx2": {torch.float32: 64, torch.bfloat16: 128},
    "other": {torch.float32: 64, torch.bfloat16: 128},  # not measured
}
"""From how many channels on ``convolve_rows`` is taken, by what oneDNN can use. Where a dtype is missing it never is.

Measured by ``make bench bench=stages precisions=32-true,bf16-mixed`` on AVX2, AVX-512 BF16 and AMX (docs/speed.md).
"""

_FEWEST_POSITIONS = 900  # below this, transforming the weights costs as much as is saved
_PIECE = 2**21  # numbers of the larger feature map per piece: larger pieces do not fit the cache


def pays(x: Tensor, weight: Tensor) -> bool:
    """Return whether ``convolve_rows`` is faster than torch's convolution on this CPU, for such maps and weights.

    ``FEWEST_CHANNELS`` says from how many channels on; there must be some positions too.

    Args:
        x: ``N x C x H x W``.
        weight: ``O x C x 3 x 3``.
    """
    fewest = _fewest_channels(x.dtype)
    return (
        fewest is not None
        and min(weight.shape[:2]) >= fewest
        and x.shape[0] * x.shape[2] * x.shape[3] >= _FEWEST_POSITIONS
    )


@cache
def _fewest_channels(dtype: torch.dtype) -> int | None:
    return FEWEST_CHANNELS[instruction_set()].get(dtype)


def convolve_rows(padded: Tensor, weight: Tensor, bias: Tensor | None, rectify: bool = False) -> Tensor:
    """Convolve 3x3 without padding and, if asked, apply ReLU. Has no derivative.

    Args:
        padded: ``N x C x H+2 x W+2``, in any layout.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        rectify: Whether to apply ReLU to the output.

    Returns:
        ``N x O x H x W``, channels last, in the dtype of ``padded``.

    Source:
        Winograd 1980; Lavin & Gray 2016, section 4.1.
    """
    last = torch.channels_last
    batch, channels, height, width = padded.shape
    height, wide = height - 2, max(channels, len(weight)) * width
    padded = padded.contiguous(memory_format=last)
    output = torch.empty((batch, len(weight), height, width - 2), dtype=padded.dtype, memory_format=last)
    kernels = _kernels(weight)
    pictures, rows = max(1, _PIECE // (wide * height)), max(2, _PIECE // wide // 2 * 2)
    for first in range(0, batch, pictures):
        for top in range(0, height, rows):
            piece = padded[first : first + pictures, :, top : top + rows + 2]
            _two_rows_each(piece, kernels, bias, rectify, output[first : first + pictures, :, top : top + rows])
    return output


def _kernels(weight: Tensor) -> list[Tensor]:
    above, middle, below = torch.split(weight.float(), 1, dim=2)
    even, odd = (above + below) / 2, middle / 2
    return [k.to(weight.dtype, memory_format=torch.channels_last) for k in (above, even + odd, even - odd, below)]


def _two_rows_each(padded: Tensor, kernels: list[Tensor], bias: Tensor | None, rectify: bool, output: Tensor) -> None:
    if padded.shape[2] % 2:  # rows come in pairs: add one, and drop its output below
        padded = F.pad(padded, (0, 0, 0, 1))
    even, odd = padded[:, :, 0::2], padded[:, :, 1::2]
    first, second, third, fourth = even[:, :, :-1], odd[:, :, :-1], even[:, :, 1:], odd[:, :, 1:]
    one = F.conv2d(first - third, kernels[0])
    two = F.conv2d(second + third, kernels[1], bias)  # holds the bias, since each output row adds it once
    three = F.conv2d(third - second, kernels[2])
    four = F.conv2d(second - fourth, kernels[3])
    upper, lower = output[:, :, 0::2], output[:, :, 1::2]
    row_pairs = one.add_(two).add_(three), two.sub_(three).sub_(four)[:, :, : lower.shape[2]]
    for values, place in zip(row_pairs, (upper, lower), strict=True):
        if rectify:
            torch.clamp_min(values, 0, out=place)
        else:
            place.copy_(values)
