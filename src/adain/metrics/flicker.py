"""Temporal flicker of a stylized video."""

from __future__ import annotations

from torch import Tensor


def frame_change(frames: Tensor) -> Tensor:
    """Mean absolute difference between neighboring frames.

    Args:
        frames: ``T x 3 x H x W``, RGB in [0, 1], T at least 2.

    Returns:
        ``T - 1`` values in float32, in [0, 1]: one a transition.
    """
    x = frames.float()
    return (x[1:] - x[:-1]).abs().flatten(1).mean(1)
