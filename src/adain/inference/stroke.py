"""Strokes in proportion to the picture: stylize it at a size of its own, then carry its fine detail over.

A network's strokes have a size in pixels, whatever the picture's. Made at a fixed size and enlarged, they have a size in
pictures. What the content has beyond that size is added where the stylized picture follows the content.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.data.image_io import unit
from adain.functional.detail import local_gain
from adain.runtime.errors import InputError

LONG_SIDE = 512
"""Pixels of the longer side at which a picture is stylized with ``stroke=1``."""

_LEAST, _MOST = 1 / 16, 16
_STRIP = 2**20  # pixels that are enlarged at a time


def working_size(height: int, width: int, stroke: float) -> tuple[int, int]:
    """Return height and width at which a picture is stylized.

    Args:
        height: Of the picture, in pixels.
        width: The same.
        stroke: Width of the strokes: 1 is that of a picture of 512 pixels, 2 is twice as wide.

    Raises:
        InputError: If the stroke is out of range, or leaves fewer than 16 pixels of a side.
    """
    if isinstance(stroke, bool) or not isinstance(stroke, int | float) or not _LEAST <= stroke <= _MOST:
        raise InputError(f"stroke={stroke!r} is out of range: give {_LEAST} (fine) to {_MOST} (coarse)")
    scale = LONG_SIDE / stroke / max(height, width)
    small = max(1, round(height * scale)), max(1, round(width * scale))
    if min(small) < 16:
        raise InputError(f"stroke={stroke} leaves {small[1]} x {small[0]} pixels to paint on: give less")
    return small


def resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``N x 3 x H x W``, uint8 or floats, as float32 in [0, 1] of another height and width."""
    return F.interpolate(unit(pixels), size, mode="bicubic", antialias=True).clamp_(0, 1)


def with_detail(made: Tensor, small: Tensor, pixels: Tensor) -> Tensor:
    """Return a stylized picture in the content's size, with the content's detail where it follows the content.

    Args:
        made: Stylized, ``N x 3 x h x w`` in [0, 1].
        small: What it was made of, the content resized.
        pixels: The content, ``N x 3 x H x W``, uint8 or floats in [0, 1].

    Returns:
        Of the shape and type of ``pixels``.
    """
    output = torch.empty_like(pixels)
    if min(output.shape[-2:]) <= min(made.shape[-2:]):  # reduced: there is no detail beyond
        _write(output, resized(made, (output.shape[-2], output.shape[-1])))
        return output
    layers = torch.cat([made, small, local_gain(made, small)], dim=1)
    for rows in _strips(*output.shape[-2:]):
        enlarged, below, gain = _enlarged(layers, rows, output.shape[-2], output.shape[-1]).chunk(3, dim=1)
        detail = unit(pixels[..., rows, :], made.device) - below
        _write(output[..., rows, :], (enlarged + gain * detail).clamp_(0, 1))
    return output


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _enlarged(picture: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Return some rows of a picture enlarged to ``height x width``, bicubic."""
    y = (torch.arange(rows.start, rows.stop, device=picture.device) + 0.5) / height * 2 - 1
    x = (torch.arange(width, device=picture.device) + 0.5) / width * 2 - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)
    places = grid.expand(len(picture), -1, -1, -1)
    return F.grid_sample(picture, places, mode="bicubic", padding_mode="border", align_corners=False)


def _write(output: Tensor, made: Tensor) -> None:
    output.copy_(made if output.is_floating_point() else made.mul(255).round_())
