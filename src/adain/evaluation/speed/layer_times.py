"""Convolutions measured one by one: on a GPU no single rate describes them, for cuDNN's differ tenfold between layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F

from adain.evaluation.speed.clock import Spread, interleave
from adain.evaluation.speed.roofline import Layer, Work

ROUNDS = 10


def layer_times(work: Iterable[Work], device: torch.device, dtype: torch.dtype) -> dict[Layer, float]:
    """Return the median seconds of each different convolution, channels last, its input padded already.

    Args:
        work: What ``roofline.stage_work`` gives.
        device: Where.
        dtype: Of maps and weights.
    """
    layers = dict.fromkeys(one.layer for one in work if one.layer is not None)
    return {layer: _median(_convolution(layer, device, dtype), device) for layer in layers}


def _median(convolve: Callable[[], object], device: torch.device) -> float:
    times = interleave({"": [("", convolve)]}, ROUNDS, device)
    return Spread.of(times[""][""]).median


def _convolution(layer: Layer, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """Return the call of a layer's convolution, or of its derivative."""
    last = torch.channels_last

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype).to(memory_format=last)

    weight = random(layer.outside, layer.inside, 3, 3)
    x = random(layer.batch, layer.inside, layer.height + 2, layer.width + 2)
    if layer.kind == "forward":
        return lambda: F.conv2d(x, weight)
    gradient = random(layer.batch, layer.outside, layer.height, layer.width)
    mask = [layer.kind == "input", layer.kind == "weights", False]
    return lambda: torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, mask
    )
