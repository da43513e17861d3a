"""Timing contestants against each other: turn by turn in one process, so that a drifting machine drifts for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

Stages = Sequence[tuple[str, Callable[[], object]]]
"""Named parts of some work. They run in this order, each on what the ones before have left.

One that returns a float has looked at the clock itself: these are its seconds.
"""


class Contestant(Protocol):
    """Something that does the same work as others."""

    def stages(self) -> Stages:
        """The parts to be timed."""


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, median, high = np.quantile(np.asarray(values, dtype=np.float64), (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high))


class Stopwatch(Protocol):
    """Measures a piece of work. One is used again and again."""

    def start(self) -> None:
        """Begin, when the device has done all that it was given before."""

    def stop(self) -> float:
        """Return the seconds since ``start``, when the device is done."""


class WallClock:
    """The processor's clock."""

    def start(self) -> None:
        """See ``Stopwatch``."""
        self.began = time.perf_counter()

    def stop(self) -> float:
        """See ``Stopwatch``."""
        return time.perf_counter() - self.began


class EventClock:
    """A GPU's own clock: from when it takes the first kernel to when it has done the last, without the call's way back.

    Where kernels are launched more slowly than they run, the waiting counts.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.first, self.last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def start(self) -> None:
        """See ``Stopwatch``."""
        torch.cuda.synchronize(self.device)
        self.first.record()

    def stop(self) -> float:
        """See ``Stopwatch``."""
        self.last.record()
        self.last.synchronize()
        milliseconds: float = self.first.elapsed_time(self.last)
        return milliseconds / 1000


def stopwatch(device: torch.device) -> Stopwatch:
    """Return what measures work on a device: events on a GPU, else the wall clock."""
    return EventClock(device) if device.type == "cuda" else WallClock()


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given. A CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleave(
    contestants: Mapping[str, Stages], repeats: int, device: torch.device, least_seconds: float = 0.0
) -> dict[str, dict[str, list[float]]]:
    """Every contestant in turn, again and again. The first round is a warm-up and is not counted.

    Args:
        contestants: Their stages by name.
        repeats: Rounds that count, at least one.
        device: Where they work: its ``stopwatch`` measures.
        least_seconds: Rounds go on until so much time was measured: short work needs more of them.

    Returns:
        Seconds of each round, by contestant and stage. Round i of one belongs to round i of the others.
    """
    found: dict[str, dict[str, list[float]]] = {
        name: {stage: [] for stage, _ in stages} for name, stages in contestants.items()
    }
    names, measured, done, watch = list(contestants), 0.0, -1, stopwatch(device)
    while done < repeats or (measured < least_seconds and done < 100 * repeats):
        for name in names:
            for stage, work in contestants[name]:
                watch.start()
                own = work()
                taken = watch.stop()
                seconds = own if isinstance(own, float) else taken
                if done >= 0:
                    found[name][stage].append(seconds)
                    measured += seconds
        done += 1
        names.reverse()  # so that nobody always follows the same neighbor
    return found


def ratio(other: Sequence[float], own: Sequence[float]) -> Spread:
    """How many times faster ``own`` is, round by round."""
    return Spread.of([a / b for a, b in zip(other, own, strict=True)])
