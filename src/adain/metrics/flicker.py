"""Temporal consistency: change from frame to frame, and what is left of it where a known motion is undone."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.runtime.errors import InputError
from adain.runtime.schema import MotionName


class Motion(NamedTuple):
    """How the view moves over a picture from frame to frame: a shift or a rotation.

    Attributes:
        shift: Pixels to the right and down. No multiple of 8, at which VGG-19's pooling would repeat itself.
        degrees: Clockwise, around the center.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0

    def __str__(self) -> str:
        """Return it in words."""
        right, down = self.shift
        return f"{self.degrees:g}° a frame" if self.degrees else f"{right:g} px right and {down:g} px down a frame"


MOTIONS: dict[MotionName, Motion] = {"pan": Motion(shift=(3, 2)), "rotation": Motion(degrees=1)}
_FRAMES = 4
_LEAST = 32  # pixels of a view


def frame_change(frames: Tensor) -> Tensor:
    """Return the mean absolute difference between neighboring frames.

    Args:
        frames: ``T x 3 x H x W``, RGB in [0, 1], T at least 2.

    Returns:
        ``T - 1`` values in float32, in [0, 1]: one a transition.
    """
    x = frames.float()
    return (x[1:] - x[:-1]).abs().flatten(1).mean(1)


def moving_views(picture: Tensor, motion: Motion) -> Tensor:
    """Return views of one picture that move over it and never leave it.

    Args:
        picture: ``1 x 3 x H x W``, RGB in [0, 1].
        motion: Between two views.

    Returns:
        ``4 x 3 x h x w``, somewhat smaller than the picture.

    Raises:
        InputError: If the picture is too small for the motion.
    """
    height, width = picture.shape[-2:]
    turned = math.radians(abs(motion.degrees)) * (_FRAMES - 1) * math.hypot(height, width) / 2
    margin = math.ceil(max(map(abs, motion.shift)) * (_FRAMES - 1) + turned)
    size = height - 2 * margin, width - 2 * margin
    if min(size) < _LEAST:
        raise InputError(f"a picture of {width} x {height} px is too small to move a view over it: give a larger size")
    views = [_sample(picture, _moved(motion, step, size), "bicubic") for step in range(_FRAMES)]
    return torch.cat(views).clamp(0, 1)


def warping_error(frames: Tensor, motion: Motion) -> Tensor:
    """Return how far each frame is from the one before, moved as the views were.

    The same unit as ``frame_change``, which does not undo the motion. Sampling between pixels costs a little, so the
    error of the unstylized views is the floor, not 0.

    Args:
        frames: ``T x 3 x H x W``, RGB in [0, 1], T at least 2.
        motion: Between two frames.

    Returns:
        ``T - 1`` values in float32, in [0, 1]: the mean absolute difference where both frames show the same.
    """
    frames = frames.float()
    height, width = frames.shape[-2:]
    places = _moved(motion, 1, (height, width)).to(frames.device)
    limit = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=frames.device)
    inside = (places.abs() <= limit).all(-1)
    moved = torch.cat([_sample(frame[None], places, "bilinear") for frame in frames[:-1]])
    return (frames[1:] - moved).abs().mean(1)[:, inside].mean(1)


def _moved(motion: Motion, steps: int, size: tuple[int, int]) -> Tensor:
    """Return where each pixel of a view is after some steps, ``h x w x 2``: x and y in pixels from the center."""
    y, x = (torch.arange(side) - (side - 1) / 2 for side in size)
    y, x = torch.meshgrid(y, x, indexing="ij")
    angle = math.radians(motion.degrees * steps)
    turned = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return torch.stack([place + steps * shift for place, shift in zip(turned, motion.shift, strict=True)], -1)


def _sample(picture: Tensor, places: Tensor, mode: str) -> Tensor:
    """Return a picture's colors at places in pixels from its center."""
    height, width = picture.shape[-2:]
    grid = places.to(picture.device) / torch.tensor([width / 2, height / 2], device=picture.device)
    return F.grid_sample(picture.float(), grid[None], mode=mode, padding_mode="border", align_corners=False)
