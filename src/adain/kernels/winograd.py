"""3x3 convolutions with two thirds of the multiplications, for torch's CPU kernels.

Winograd's F(2, 3) along the rows: two rows of the output out of four rows of the input are three products a weight and
column by the definition, but two by way of four sums of rows, each convolved with a 1x3 kernel. In two dimensions it
would be 4/9 of the products, but the sums then take longer than what is saved, and in 16 bits the error doubles.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.runtime.precision import instruction_set

_FEWEST_POSITIONS = 900  # below, the weights' own sums take as long as what is saved
_PIECE = 2**21  # numbers of the larger feature map that are worked on at a time: larger ones leave the cache


def pays(x: Tensor, weight: Tensor) -> bool:
    """Return whether ``convolve_rows`` is faster than torch's convolution on this CPU, for such maps and weights.

    Measured by ``make bench bench=stages``: from 64 channels on in float32 and from 128 on in bfloat16, but not on
    processors with AMX, whose matrix units run oneDNN's bfloat16 convolutions several times faster than any by rows.

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
    if dtype == torch.bfloat16:
        return None if instruction_set() == "amx" else 128
    return 64 if dtype == torch.float32 else None


def convolve_rows(padded: Tensor, weight: Tensor, bias: Tensor | None, rectify: bool = False) -> Tensor:
    """A 3x3 convolution without padding, and ReLU behind it where asked for. No derivative.

    Args:
        padded: ``N x C x H+2 x W+2``; the result is channels last whatever its layout.
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        rectify: Whether negative outputs become 0.

    Returns:
        ``N x O x H x W``, channels last, of the dtype of ``padded``.

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
    if padded.shape[2] % 2:  # one more row, whose output is not kept
        padded = F.pad(padded, (0, 0, 0, 1))
    even, odd = padded[:, :, 0::2], padded[:, :, 1::2]
    first, second, third, fourth = even[:, :, :-1], odd[:, :, :-1], even[:, :, 1:], odd[:, :, 1:]
    one = F.conv2d(first - third, kernels[0])
    two = F.conv2d(second + third, kernels[1], bias)  # both outputs have it once, and with it the bias
    three = F.conv2d(third - second, kernels[2])
    four = F.conv2d(second - fourth, kernels[3])
    upper, lower = output[:, :, 0::2], output[:, :, 1::2]
    found = one.add_(two).add_(three), two.sub_(three).sub_(four)[:, :, : lower.shape[2]]
    for values, place in zip(found, (upper, lower), strict=True):
        if rectify:
            torch.clamp_min(values, 0, out=place)
        else:
            place.copy_(values)
