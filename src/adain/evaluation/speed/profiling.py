"""A trace of one training step that opens in a browser, and the operators that take the time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity

from adain.evaluation.speed.clock import synchronise


class Operator(NamedTuple):
    """An operator's share of a profile.

    Attributes:
        name: As torch calls it.
        calls: How often it ran.
        seconds: In itself, not in those it called; on the GPU where there is one.
        share: Of all operators' seconds.
    """

    name: str
    calls: int
    seconds: float
    share: float


def profile_step(step: Callable[[], object], path: Path, device: torch.device, top: int = 10) -> list[Operator]:
    """Runs a step once to warm up and once under the profiler.

    Args:
        step: What to profile.
        path: Where the trace goes: Chrome's format, for ui.perfetto.dev or chrome://tracing.
        device: Where the step works.
        top: How many operators to name.

    Returns:
        The operators with the most time, the slowest first.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    step()
    with torch.profiler.profile(activities=activities) as profile:
        step()
        synchronise(device)
    profile.export_chrome_trace(str(path))
    found = [
        (event.key, event.count, (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6)
        for event in profile.key_averages()
    ]
    whole = sum(seconds for *_, seconds in found) or 1.0
    found.sort(key=lambda item: item[2], reverse=True)
    return [Operator(name, calls, seconds, seconds / whole) for name, calls, seconds in found[:top]]
