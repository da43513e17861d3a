from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from adain.evaluation.speed import clock
from adain.evaluation.speed.clock import Spread, interleave, ratio

CPU = torch.device("cpu")


def test_contestants_take_turns_and_the_first_round_is_not_counted() -> None:
    calls: list[str] = []
    stages = {name: [(s, lambda n=name, s=s: calls.append(n + s)) for s in ("1", "2")] for name in ("a", "b")}
    found = interleave(stages, 2, CPU)  # type: ignore[arg-type]
    assert calls == ["a1", "a2", "b1", "b2", "b1", "b2", "a1", "a2", "a1", "a2", "b1", "b2"]
    assert {name: [len(times) for times in stages.values()] for name, stages in found.items()} == {
        "a": [2, 2],
        "b": [2, 2],
    }


def test_seconds_are_those_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    def work() -> None:
        now[0] += 3

    found = interleave({"a": [("work", work), ("own clock", lambda: 7.0)]}, 2, CPU)
    assert found == {"a": {"work": [3.0, 3.0], "own clock": [7.0, 7.0]}}


class Event:
    """A GPU's event, whose clock counts what was recorded and launched, in milliseconds."""

    now = 0.0
    done: ClassVar[list[str]] = []

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = Event.now
        Event.done.append("record")

    def synchronize(self) -> None:
        Event.done.append("wait")

    def elapsed_time(self, other: Event) -> float:
        assert Event.done[-1] == "wait"  # the time is known when the last event has passed
        return other.at - self.at


def test_a_gpu_is_timed_by_its_own_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is idle before the first event, and seconds come from milliseconds."""
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: Event.done.append(f"idle {device}"))
    Event.done.clear()

    def work() -> None:
        Event.done.append("work")
        Event.now += 250

    found = interleave({"a": [("work", work)]}, 1, torch.device("cuda", 0))
    assert found == {"a": {"work": [0.25]}}
    assert Event.done == ["idle cuda:0", "record", "work", "record", "wait"] * 2


def test_short_work_gets_more_rounds() -> None:
    found = interleave({"a": [("x", lambda: 0.1)]}, 2, CPU, least_seconds=1.0)
    assert 10 <= len(found["a"]["x"]) <= 11


def test_ratios_are_taken_round_by_round() -> None:
    own, other = [1.0, 2.0, 4.0], [3.0, 4.0, 4.0]
    assert ratio(other, own) == pytest.approx(Spread(2.0, *np.percentile([3.0, 2.0, 1.0], (25, 75))))
