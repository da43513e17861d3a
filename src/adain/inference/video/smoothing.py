"""What makes neighboring frames alike: statistics averaged over time, begun anew where the scene changes."""

from __future__ import annotations

from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.color import Colors, colors
from adain.functional.statistics import Statistics, join

CUT_DIFFERENCE = 0.1
CUT_CORRELATION = 0.5
_THUMBNAIL = 16  # pixels of a side: motion within a scene moves little of it
_SAME_COLOR = 0.01  # of [0, 1]: colors that have moved less leave a recolored style as it is


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Return whether two thumbnails are of different scenes.

    They are if they differ by more than ``CUT_DIFFERENCE`` on average and their patterns correlate by less than
    ``CUT_CORRELATION``. The second spares flashes and fades, which change the brightness but not the pattern.

    Args:
        before: ``3 x h x w`` in [0, 1].
        after: The same.
    """
    if float((before - after).abs().mean()) <= CUT_DIFFERENCE:
        return False
    one, other = (thumbnail - thumbnail.mean((1, 2), keepdim=True) for thumbnail in (before, after))
    correlation = (one * other).sum() / (one.norm() * other.norm()).clamp_min(1e-3)
    return float(correlation) < CUT_CORRELATION


class Cuts:
    """Finds scene cuts in frames that come in their order."""

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def find(self, frames: Tensor) -> list[bool]:
        """Return for each frame whether a new scene begins with it; the first frame of all begins one.

        Args:
            frames: ``N x 3 x H x W``, uint8.
        """
        found = []
        for frame in frames:
            small = F.adaptive_avg_pool2d(frame[None].float().div_(255), _THUMBNAIL)[0]
            found.append(self._last is None or is_cut(self._last, small))
            self._last = small
        return found


class Smoother:
    """The content's statistics, averaged over the frames of a scene.

    ``s = temporal * s + (1 - temporal) * content_stats`` for mean and deviation of every channel: an exponential moving
    average, whose weight falls to a half after ``log(0.5) / log(temporal)`` frames. An object is what ``Stylizer.stylize``
    takes as ``smooth``; call ``expect`` first to say which frames begin a scene.

    It keeps what stands still steady when something else enters or moves. Where all of the source flickers, in exposure or
    by noise, it does the opposite: AdaIN by itself takes such changes away, and the average lets them through.

    Args:
        temporal: From 0, each frame by itself, to 1, every frame as the first of its scene.
    """

    def __init__(self, temporal: float) -> None:
        self.temporal = temporal
        self._expected: deque[bool] = deque()
        self._average: list[Statistics] | None = None

    def expect(self, cuts: list[bool]) -> None:
        """Note which of the coming frames begin a scene."""
        self._expected.extend(cuts)

    def __call__(self, content_stats: list[Statistics]) -> list[Statistics]:
        """Return averages for frames that follow each other.

        Args:
            content_stats: One a region, of ``N`` frames.
        """
        made: list[list[Statistics]] = []
        for index in range(len(content_stats[0].mean)):
            frame = [
                Statistics(region.mean[index : index + 1], region.std[index : index + 1]) for region in content_stats
            ]
            if not self._expected.popleft() and self._average is not None:
                frame = [
                    Statistics(*(torch.lerp(new, old.to(new), self.temporal) for new, old in zip(a, b, strict=True)))
                    for a, b in zip(frame, self._average, strict=True)
                ]
            self._average = frame
            made.append(frame)
        return [join(region) for region in zip(*made, strict=True)]


class Recoloring:
    """For ``preserve_color=coral``: when the styles need the content's colors anew.

    The content's colors are averaged as its statistics are, and the styles are encoded again only when the average has
    moved visibly, so that a still scene costs one encoding.
    """

    def __init__(self, temporal: float) -> None:
        self.temporal = temporal
        self._average: Colors | None = None
        self._used: Colors | None = None

    def changed(self, frame: Tensor, cut: bool) -> Colors | None:
        """Return the colors to encode the styles with, or None if they are as good as those before.

        Args:
            frame: ``1 x 3 x H x W``, uint8.
            cut: Whether it begins a scene.
        """
        own = colors(frame)
        if not cut and self._average is not None:
            own = Colors(*(torch.lerp(new, old, self.temporal) for new, old in zip(own, self._average, strict=True)))
        self._average = own
        if self._used is not None and _distance(own, self._used) < _SAME_COLOR:
            return None
        self._used = own
        return own


def _distance(one: Colors, other: Colors) -> float:
    """Return the largest difference of a mean or, about, of a deviation, in units of [0, 1]."""
    deviation = other.covariance.diagonal(dim1=1, dim2=2).amax().clamp_min(1e-4).sqrt()
    spread = (one.covariance - other.covariance).abs().amax() / (2 * deviation)
    return max(float((one.mean - other.mean).abs().amax()), float(spread))
