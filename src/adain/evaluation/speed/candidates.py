"""Who takes part, and the table that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from adain.evaluation.speed.clock import Spread, Stages, interleave, ratio, timings
from adain.evaluation.speed.machine import Rates
from adain.evaluation.speed.methods import MethodStylize
from adain.evaluation.speed.port import PortStep, PortStylize
from adain.evaluation.speed.roofline import Layer, Work, floor_seconds, stage_work, total
from adain.evaluation.speed.stages import PORT, STYLIZE, TRAINING, OurStep, OurStylize, Setting
from adain.evaluation.store import Row

_LAYER_ROUNDS, _LAYER_CALLS = 10, 20  # one call would be timed with what its launch takes
_MAYBE = (
    "peak_mib", "gflop", "gigabytes", "floor_s", "share", "against_port", "against_port_q1", "against_port_q3"
)  # fmt: skip
"""Columns of a row that stay empty where nothing is known of them."""


def build(setting: Setting, device: torch.device) -> Stages:
    """Return the stages of a setting's candidate, its weights loaded."""
    ours = {"stages": OurStep, "stylize": OurStylize, "method": MethodStylize}
    ports = {"stages": PortStep, "stylize": PortStylize}
    kinds: dict[str, Any] = ours if setting.reference is None else ports
    stages: Stages = kinds[setting.work](setting, device).stages()
    return stages


def measure(
    settings: Sequence[Setting], rates: Mapping[int, Rates], repeats: int, least_seconds: float, device: torch.device
) -> list[Row]:
    """Time candidates of one work, size and batch against each other, and return a row for each of their stages.

    Args:
        settings: The candidates.
        rates: The machine's limits, by bytes of a number.
        repeats: Rounds that count.
        least_seconds: At least so much time is measured.
        device: Where.
    """
    measured = {number: _floors(settings[0], number, device) for number in {setting.number for setting in settings}}
    stages = {setting.name: build(setting, device) for setting in settings}
    times = interleave(stages, repeats, device, least_seconds)
    rows = [
        _row(setting, stage, seconds, rates[setting.number], measured[setting.number])
        for setting in settings
        for stage, seconds in times[setting.name].items()
    ]
    if PORT in times:
        for row in rows:
            # the port has no kept style: what ours saves by keeping it is held against the port's only way
            stage = row["stage"] if row["stage"] in times[PORT] else row["stage"].partition(",")[0]
            if stage in times[PORT] and row["contestant"] != PORT:
                row |= ratio(times[PORT][stage], times[row["contestant"]][row["stage"]]).columns("against_port")
    return rows


def _floors(setting: Setting, number: int, device: torch.device) -> dict[Layer, float]:
    """Return the seconds of each convolution of all stages by itself, on a GPU: cuDNN's rates differ tenfold."""
    if device.type != "cuda" or setting.work == "method":
        return {}
    stages = TRAINING if setting.work == "stages" else STYLIZE
    work = [one for stage in stages for one in stage_work(stage, setting.batch, setting.size, setting.size) or []]
    return layer_times(work, device, torch.bfloat16 if number == 2 else torch.float32)


def layer_times(work: Iterable[Work], device: torch.device, dtype: torch.dtype) -> dict[Layer, float]:
    """Return the median seconds of each different convolution of some work, channels last, its input padded already."""
    layers = dict.fromkeys(one.layer for one in work if one.layer is not None)
    times = {
        layer: interleave({"": [("", _repeated(_convolution(layer, device, dtype)))]}, _LAYER_ROUNDS, device)[""][""]
        for layer in layers
    }
    return {layer: Spread.of(seconds).median / _LAYER_CALLS for layer, seconds in times.items()}


def _repeated(call: Callable[[], object]) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(_LAYER_CALLS):
            call()

    return calls


def _convolution(layer: Layer, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """Return the call of a layer's convolution, or of its derivative."""

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype).to(memory_format=torch.channels_last)

    weight = random(layer.outside, layer.inside, 3, 3)
    x = random(layer.batch, layer.inside, layer.height + 2, layer.width + 2)
    if layer.kind == "forward":
        return lambda: F.conv2d(x, weight)
    gradient = random(layer.batch, layer.outside, layer.height, layer.width)
    mask = [layer.kind == "input", layer.kind == "weights", False]
    return lambda: torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, mask
    )


def _row(setting: Setting, stage: str, seconds: Sequence[float], rates: Rates, measured: Mapping[Layer, float]) -> Row:
    times = timings(seconds)
    row: Row = {
        "work": setting.work,
        "size": setting.size,
        "batch": setting.batch,
        "contestant": setting.name,
        "precision": setting.precision,
        "memory_format": setting.memory_format,
        "compile": setting.compile,
        "graph": setting.graph,
        "stage": stage,
        **times,
        "per_second": setting.batch / times["median_s"],
        **dict.fromkeys(_MAYBE),
    }
    # floors are counted for AdaIN's training and stylizing
    if setting.work != "method" and (work := stage_work(stage, setting.batch, setting.size, setting.size)) is not None:
        flops, moved = total(work, setting.number)
        floor = floor_seconds(work, rates.flops, rates.bandwidth, setting.number, measured)
        row.update(gflop=flops / 1e9, gigabytes=moved / 1e9, floor_s=floor, share=floor / times["median_s"])
    return row
