"""Content and style losses in the units of other papers, so that one output's figures can be laid beside theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adain.functional.statistics import EPS, Statistics, adain, channel_statistics
from adain.kernels.layers import max_pool, padded_conv2d
from adain.metrics.pairwise import FeatureMetric
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS
from adain.runtime.schema import LossUnits

UNITS: dict[LossUnits, tuple[str, str]] = {
    "ours": (
        "mean squared error to the AdaIN target at relu4_1",
        "squared differences of mean and std, averaged over channels, summed over relu1_1 to relu4_1; population std",
    ),
    "port": (
        "as ours, with unbiased std in the target",
        "as ours, with unbiased std; without the weight of 10",
    ),
    "lua": (
        "as ours, the style's std without epsilon",
        "summed over channels; 1e-6 in the output's std, none in the style's; without the weight of 0.01",
    ),
    "stytr2": (
        "mean squared error to the content at relu4_1 and relu5_1, channels normalized, summed; without the weight of 7",
        "averaged over channels, summed over relu1_1 to relu5_1; unbiased std; without the weight of 10",
    ),
}
"""What the content loss and the style loss of each convention are, in words. All are of the normalized VGG-19."""
_LUA_EPS = 1e-6
_KEYS = (32, 35, 38, 42)  # of conv4_2 to conv5_1 in the published nn.Sequential


class Deeper(nn.Module):
    """The normalized VGG-19 from relu4_1 to relu5_1, which AdaIN does not need.

    Args:
        state: The published weights, as ``Encoder.from_state`` takes them.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for key in _KEYS:
            self.register_buffer(f"weight{key}", state[f"{key}.weight"].float(), persistent=False)
            self.register_buffer(f"bias{key}", state[f"{key}.bias"].float(), persistent=False)

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        """Return relu5_1, ``N x 512 x h/2 x w/2``, rounded up, of relu4_1, ``N x 512 x h x w``, h and w at least 3."""
        x = features.float()
        for key in _KEYS:
            if key == _KEYS[-1]:
                x = max_pool(x, ceil_mode=True)
            x = padded_conv2d(x, getattr(self, f"weight{key}"), getattr(self, f"bias{key}"), "reflect", rectify=True)
        return x


def unbiased(stats: Statistics, positions: int) -> Statistics:
    """Return statistics whose variance is divided by one less than the number of positions, epsilon added after."""
    return Statistics(stats.mean, (_variance(stats) * (positions / (positions - 1)) + EPS).sqrt())


def _variance(stats: Statistics) -> Tensor:
    return (stats.std.square() - EPS).clamp_min(0)


def _mean_squares(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).mean(1)


def _normalized(features: Tensor) -> Tensor:
    features = features.float()
    stats = unbiased(channel_statistics(features), features[0, 0].numel())
    return (features - stats.mean) / stats.std


class _LossIn(FeatureMetric):
    """A loss in a paper's units; at least 0, lower is better. See ``UNITS``.

    Args:
        units: Whose; not ``ours``.
        see: Gives the features of the normalized VGG-19.
        deeper: Gives relu5_1 of pictures; for ``stytr2``.
    """

    def __init__(self, units: LossUnits, see: Callable[[Tensor], Any], deeper: Callable[[Tensor], Tensor]) -> None:
        super().__init__(see)
        self.units, self.deeper = units, deeper


class ContentLossIn(_LossIn):
    """A content loss in a paper's units. See ``_LossIn``."""

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        made, given = self.see(output).deepest.float(), self.see(content).deepest.float()
        if self.units == "stytr2":
            deepest = _normalized(self.deeper(output)), _normalized(self.deeper(content))
            return _mean_squares(_normalized(made), _normalized(given)) + _mean_squares(*deepest)
        style_stats, content_stats = self.see(style).statistics[BOTTLENECK], self.see(content).statistics[BOTTLENECK]
        if self.units == "lua":
            style_stats = Statistics(style_stats.mean, _variance(style_stats).sqrt())
        else:
            style_stats = unbiased(style_stats, self.see(style).deepest[0, 0].numel())
            content_stats = unbiased(content_stats, given[0, 0].numel())
        return _mean_squares(made, adain(given, style_stats, content_stats))


class StyleLossIn(_LossIn):
    """A style loss in a paper's units. See ``_LossIn``."""

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        made, wanted = (self._statistics(picture, of_output=picture is output) for picture in (output, style))
        total = torch.zeros(len(output), device=output.device)
        for a, b in zip(made, wanted, strict=True):
            squares = ((a.mean - b.mean).square() + (a.std - b.std).square()).flatten(1)
            total = total + (squares.sum(1) if self.units == "lua" else squares.mean(1))
        return total

    def _statistics(self, picture: Tensor, of_output: bool) -> Sequence[Statistics]:
        features = self.see(picture)
        found = [features.statistics[name] for name in STYLE_LAYERS]
        if self.units == "lua":
            return [Statistics(s.mean, (_variance(s) + (_LUA_EPS if of_output else 0)).sqrt()) for s in found]
        found = [unbiased(s, features.positions[name]) for s, name in zip(found, STYLE_LAYERS, strict=True)]
        if self.units == "stytr2":
            deepest = self.deeper(picture)
            found.append(unbiased(channel_statistics(deepest), deepest[0, 0].numel()))
        return found
