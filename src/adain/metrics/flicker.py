"""Temporal flicker of a stylised video."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from adain.errors import UserError
from adain.metrics.sight import check_pictures


def frame_change(frames: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring frames.

    Args:
        frames: ``T x 3 x H x W``, RGB in [0, 1], T at least 2.

    Returns:
        ``T - 1`` values in float32, in [0, 1]: one a transition.
    """
    x = frames.float()
    return (x[1:] - x[:-1]).abs().flatten(1).mean(1)


def flicker(frames: Tensor, content_frames: Tensor) -> Tensor:
    """What the stylisation adds to the change from frame to frame.

    The mean absolute difference between neighbouring output frames, minus that of the content's frames, which is motion
    and noise that was there before. No optical flow is used, so nothing has to be estimated.

    Args:
        frames: ``T x 3 x H x W``, output frames, RGB in [0, 1], T at least 2.
        content_frames: The content's frames, the same shape.

    Returns:
        Scalar in float32, in [-1, 1], lower is steadier: 0 if the output changes as much as the content, below 0 where
        the style is flatter than the content.

    Raises:
        UserError: If the shapes differ, there is one frame only, or values leave [0, 1].
    """
    if frames.shape != content_frames.shape or len(frames) < 2:
        raise UserError(
            f"flicker compares as many output frames as content frames, at least 2, but the shapes are "
            f"{tuple(frames.shape)} and {tuple(content_frames.shape)}: give T x 3 x H x W of both"
        )
    check_pictures(**{"output video": frames, "content video": content_frames})
    return (frame_change(frames) - frame_change(content_frames)).mean()


class Flicker(Metric):
    """``flicker`` over any number of clips, each transition weighing the same. See there for unit and range."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, frames: Tensor, content_frames: Tensor) -> None:
        """Takes a clip: see ``flicker``."""
        transitions = len(frames) - 1
        self.total += flicker(frames, content_frames).double() * transitions
        self.count += transitions

    def compute(self) -> Tensor:
        """The mean over transitions."""
        return self.total / self.count
