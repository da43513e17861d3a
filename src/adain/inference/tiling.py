"""A picture in overlapping tiles, so that memory does not grow with it and no seam shows.

Everything is counted in cells, the 8 x 8 pixels that one place of relu4_1 stands for. Three poolings make offsets
that are multiples of a cell fall into step with the whole picture; a halo wider than the networks' receptive fields
keeps a tile's cut edges out of what is kept of it. Only the statistics of AdaIN are global: they are gathered first.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.statistics import EPS, Statistics, channel_statistics

CELL = 8
"""Pixels, both ways, of one place at relu4_1."""

HALO = 4
"""Cells that a cut edge can reach: encoder and decoder each have a receptive field of 30 pixels to each side."""


class Box(NamedTuple):
    """A rectangle of cells, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, within: Box) -> Box:
        """Return this box with the halo around it, as far as the picture reaches."""
        return Box(
            max(within.top, self.top - HALO),
            min(within.bottom, self.bottom + HALO),
            max(within.left, self.left - HALO),
            min(within.right, self.right + HALO),
        )

    def of(self, cells: Tensor, corner: Box | None = None) -> Tensor:
        """Return this part of ``N x C x rows x columns``, whose own first cell is that of ``corner``."""
        top, left = (corner.top, corner.left) if corner else (0, 0)
        return cells[..., self.top - top : self.bottom - top, self.left - left : self.right - left]

    def of_pixels(self, pixels: Tensor, corner: Box | None = None) -> Tensor:
        """Return this part of ``N x C x H x W``, whose own first pixel is that of ``corner``; H and W need be no multiples."""
        return Box(*(CELL * side for side in self)).of(pixels, corner and Box(*(CELL * side for side in corner)))


def whole(height: int, width: int) -> Box:
    """Return all cells of a picture of so many pixels."""
    return Box(0, math.ceil(height / CELL), 0, math.ceil(width / CELL))


def boxes(picture: Box, side: int | None) -> list[Box]:
    """Return the picture in tiles of about equal size and at most ``side`` pixels each way; in one if None."""
    if side is None:
        return [picture]
    rows, columns = (_cuts(cells, max(1, side // CELL)) for cells in (picture.bottom, picture.right))
    return [Box(top, bottom, left, right) for top, bottom in rows for left, right in columns]


def _cuts(cells: int, most: int) -> list[tuple[int, int]]:
    count = math.ceil(cells / most)
    ends = [round(cells * index / count) for index in range(count + 1)]
    return list(itertools.pairwise(ends))


class Moments:
    """Channel statistics of a whole that is seen in parts, merged in float64.

    Source:
        Chan, Golub & LeVeque 1983, the pairwise update; stable where sums of squares are not.
    """

    def __init__(self) -> None:
        self._weight = self._mean = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, features: Tensor, share: Tensor | None = None) -> None:
        """Take in a part.

        Args:
            features: ``N x C x h x w``.
            share: ``N`` or ``1 x 1 x h x w``; see ``channel_statistics``.
        """
        mean, std = (part.cpu().double() for part in channel_statistics(features, 0.0, share))
        area = features.shape[-2] * features.shape[-1]
        weight = (
            torch.full_like(mean, area) if share is None else share.cpu().double().sum((2, 3), True).expand_as(mean)
        )
        if not bool((weight > 0).any()):
            return
        total = self._weight + weight
        step = mean - self._mean
        self._squares = self._squares + std**2 * weight + step**2 * self._weight * weight / total.clamp_min(1e-12)
        self._mean = self._mean + step * weight / total.clamp_min(1e-12)
        self._weight = total

    def statistics(self, eps: float = EPS) -> Statistics:
        """Return the statistics of all parts together: what ``channel_statistics`` gives for the whole."""
        variance = self._squares / self._weight.clamp_min(1e-12)
        return Statistics(self._mean.float(), (variance + eps).sqrt().float())


def cells_of_masks(masks: Tensor) -> Tensor:
    """Return masks at the resolution of relu4_1: the mean over each cell, of what of it lies in the picture.

    Args:
        masks: ``1 x K x H x W``, floats.

    Returns:
        ``1 x K x ceil(H/8) x ceil(W/8)``.
    """
    return F.avg_pool2d(masks, CELL, ceil_mode=True, count_include_pad=False)
