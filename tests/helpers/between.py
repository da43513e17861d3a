"""What the GPU's kernels are held against, and on which maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from adain.kernels.between import Resize


def separately(
    y: Tensor, bias: Tensor | None, rectify: bool, resize: Resize, border: int, ceil_mode: bool = True
) -> Tensor:
    """``kernels.between`` by torch's own operations, one after the other."""
    if bias is not None:
        y = y + bias[:, None, None]
    y = F.relu(y) if rectify else y
    if resize == "pool":
        y = F.max_pool2d(y, 2, ceil_mode=ceil_mode)
    elif resize == "double":
        y = F.interpolate(y, scale_factor=2.0, mode="nearest")
    return F.pad(y, [border] * 4, mode="reflect") if border else y


CASES: list[tuple[tuple[int, int, int], bool, bool, Resize, int, bool]] = [
    # channels, height and width; bias; ReLU; resize; border; ceil mode
    ((5, 4, 7), True, True, "keep", 1, True),
    ((3, 2, 2), False, False, "keep", 1, True),  # both borders copy from both rows
    ((3, 3, 2), True, False, "keep", 0, True),
    ((2, 3, 5), True, True, "keep", 2, True),  # a border of two pixels
    ((65, 2, 3), True, True, "keep", 1, True),  # channels of two programs
    ((1, 2, 4100), True, True, "keep", 1, True),  # columns of two programs
    ((5, 5, 7), True, True, "pool", 1, True),
    ((5, 5, 7), True, True, "pool", 1, False),  # the last row and column have no gradient
    ((2, 4, 6), False, False, "pool", 0, True),
    ((3, 3, 3), True, True, "pool", 1, True),
    ((3, 1, 1), True, True, "pool", 0, True),
    ((3, 1, 2), True, True, "double", 1, True),  # a row of one pixel
    ((5, 3, 4), True, True, "double", 1, True),
    ((4, 2, 2), False, False, "double", 0, True),
    ((2, 2, 3), True, True, "double", 2, True),
]
