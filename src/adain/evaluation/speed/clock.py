"""Timing candidates against each other: turn by turn in one process, so that a drifting machine drifts for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

Stages = Sequence[tuple[str, Callable[[], object]]]
"""Named parts of some work. They run in this order, each on what the ones before have left.

One that returns a float has looked at the clock itself: these are its seconds.
"""


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        low, median, high = np.quantile(np.asarray(values, dtype=np.float64), (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high))

    def columns(self, name: str) -> dict[str, float]:
        """Return it as a row's columns: ``name``, ``name_q1`` and ``name_q3``."""
        return {name: self.median, f"{name}_q1": self.low, f"{name}_q3": self.high}


def timings(seconds: Sequence[float]) -> dict[str, Any]:
    """Return a row's columns that state measured seconds: median, quartiles, and how many there are."""
    spread = Spread.of(seconds)
    return {"median_s": spread.median, "q1_s": spread.low, "q3_s": spread.high, "rounds": len(seconds)}


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given. A CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that a piece of work takes, or those that it returns itself.

    A GPU is timed by its own clock: from when it takes the first kernel to when it has done the last, without the call's
    way back. It is idle before. Where kernels are launched more slowly than they run, the waiting counts.
    """
    if device.type == "cuda":
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
        first.record()
        own = work()
        last.record()
        last.synchronize()
        taken: float = first.elapsed_time(last) / 1000
    else:
        start = time.perf_counter()
        own = work()
        taken = time.perf_counter() - start
    return own if isinstance(own, float) else taken


def interleave(
    candidates: Mapping[str, Stages], repeats: int, device: torch.device, least_seconds: float = 0.0
) -> dict[str, dict[str, list[float]]]:
    """Run every candidate in turn, again and again. The first round is a warm-up and is not counted.

    Args:
        candidates: Their stages by name.
        repeats: Rounds that count, at least one.
        device: Where they work.
        least_seconds: Rounds go on until so much time was measured: short work needs more of them.

    Returns:
        Seconds of each round, by candidate and stage. Round i of one belongs to round i of the others.
    """
    found: dict[str, dict[str, list[float]]] = {
        name: {stage: [] for stage, _ in stages} for name, stages in candidates.items()
    }
    names, measured, done = list(candidates), 0.0, -1
    while done < repeats or (measured < least_seconds and done < 100 * repeats):
        for name in names:
            for stage, work in candidates[name]:
                seconds = seconds_of(work, device)
                if done >= 0:
                    found[name][stage].append(seconds)
                    measured += seconds
        done += 1
        names.reverse()  # so that nobody always follows the same neighbor
    return found


def ratio(other: Sequence[float], own: Sequence[float]) -> Spread:
    """Return how many times faster ``own`` is, round by round."""
    return Spread.of([a / b for a, b in zip(other, own, strict=True)])
