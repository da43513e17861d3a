"""Who takes part, and the table that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from adain.evaluation.speed.clock import Contestant, Spread, interleave, ratio
from adain.evaluation.speed.layer_times import layer_times
from adain.evaluation.speed.machine import Rates
from adain.evaluation.speed.methods import MethodStylize
from adain.evaluation.speed.port import PortStep, PortStylize
from adain.evaluation.speed.roofline import Layer, floor_seconds, stage_work, total
from adain.evaluation.speed.stages import STYLIZE, TRAINING, OurStep, OurStylize, Setting

Row = dict[str, Any]
"""One line of the results: who, what, how fast, how near the floor. Values are plain."""

PORT = "reference port"


def build(setting: Setting, device: torch.device) -> Contestant:
    """The contestant of a setting, its weights loaded."""
    kinds: dict[tuple[str, str], Any] = {
        ("ours", "stages"): OurStep,
        ("ours", "stylize"): OurStylize,
        ("ours", "method"): MethodStylize,
        ("port", "stages"): PortStep,
        ("port", "stylize"): PortStylize,
    }
    contestant: Contestant = kinds[setting.who, setting.work](setting, device)
    return contestant


def measure(
    settings: Sequence[Setting], rates: Mapping[int, Rates], repeats: int, least_seconds: float, device: torch.device
) -> list[Row]:
    """Times contestants at one size against each other.

    Args:
        settings: All of one work, size and batch.
        rates: The machine's limits, by bytes of a number.
        repeats: Rounds that count.
        least_seconds: At least so much time is measured.
        device: Where.

    Returns:
        A row for each contestant and stage.
    """
    measured = {number: _layer_times(settings, number, device) for number in {setting.number for setting in settings}}
    stages = {setting.name: build(setting, device).stages() for setting in settings}
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
                spread = ratio(times[PORT][stage], times[row["contestant"]][row["stage"]])
                row.update(against_port=spread.median, against_port_q1=spread.low, against_port_q3=spread.high)
    return rows


def _layer_times(settings: Sequence[Setting], number: int, device: torch.device) -> dict[Layer, float]:
    """Return the seconds of the convolutions of all stages by themselves. Only a GPU's floors are made of them."""
    first = settings[0]
    if device.type != "cuda" or first.work == "method":
        return {}
    stages = TRAINING if first.work == "stages" else STYLIZE
    work = [one for stage in stages for one in stage_work(stage, first.batch, first.size, first.size) or []]
    return layer_times(work, device, torch.bfloat16 if number == 2 else torch.float32)


def _row(setting: Setting, stage: str, seconds: Sequence[float], rates: Rates, measured: Mapping[Layer, float]) -> Row:
    spread = Spread.of(seconds)
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
        "median_s": spread.median,
        "q1_s": spread.low,
        "q3_s": spread.high,
        "rounds": len(seconds),
        "per_second": setting.batch / spread.median,
        "peak_mib": None,
        "gflop": None,
        "gigabytes": None,
        "floor_s": None,
        "share": None,
        "against_port": None,
        "against_port_q1": None,
        "against_port_q3": None,
    }
    # floors are counted for AdaIN's training and stylizing
    counted = setting.work != "method"
    work = stage_work(stage, setting.batch, setting.size, setting.size) if counted else None
    if work is not None:
        flops, moved = total(work, setting.number)
        floor = floor_seconds(work, rates.flops, rates.bandwidth, setting.number, measured)
        row.update(gflop=flops / 1e9, gigabytes=moved / 1e9, floor_s=floor, share=floor / spread.median)
    return row
