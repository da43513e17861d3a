"""What is made of measured seconds, by candidates whose clocks stand still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from adain.evaluation.speed import candidates, machine, training
from adain.evaluation.speed.candidates import PORT, measure
from adain.evaluation.speed.machine import Rates
from adain.evaluation.speed.roofline import floor_seconds, stage_work
from adain.evaluation.speed.stages import STYLIZE, Setting
from tests.helpers.candidates import Fixed

CPU = torch.device("cpu")


def test_rows_say_pictures_per_second_shares_of_the_floor_and_times_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, port = Setting("ours", "stylize", 64, 4), Setting("port", "stylize", 64, 4)
    seconds = {ours.name: {STYLIZE[0]: 2.0, STYLIZE[1]: 0.5}, PORT: {STYLIZE[0]: 6.0}}
    monkeypatch.setattr(candidates, "build", lambda setting, device: Fixed(seconds[setting.name]))
    rates = Rates(matmul=1e9, convolution=2e9, bandwidth=1e9)
    rows = measure([ours, port], {4: rates}, 2, 0, CPU)
    assert [(row["contestant"], row["stage"]) for row in rows] == [
        (ours.name, STYLIZE[0]),
        (ours.name, STYLIZE[1]),
        (PORT, STYLIZE[0]),
    ]
    assert [row["median_s"] for row in rows] == [2.0, 0.5, 6.0]
    assert [row["per_second"] for row in rows] == [2.0, 8.0, pytest.approx(4 / 6)]
    assert [row["against_port"] for row in rows] == [3.0, 12.0, None]  # a kept style against the port's only way
    floor = floor_seconds(stage_work(STYLIZE[0], 4, 64, 64) or [], 2e9, 1e9, 4)
    assert rows[0]["floor_s"] == pytest.approx(floor)
    assert [row["share"] for row in rows[::2]] == pytest.approx([floor / 2, floor / 6])


def test_a_turn_of_several_steps_is_divided_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"": 12.0, "plain": 8.0, "ours, 32-true": 4.0, "ours, 32-true, Lightning's loop": 16.0}  # of four steps

    def interleave(turns: Mapping[str, Any], repeats: int, device: torch.device) -> dict[str, dict[str, list[float]]]:
        return {name: {"step": [seconds[name]] * repeats} for name in turns}

    monkeypatch.setattr(training, "interleave", interleave)
    monkeypatch.setattr(training, "keep_freed_memory", lambda: True)  # cannot be taken back
    rows = training.measure_training([32], [2], ["32-true"], 3, 4, CPU)
    found = {row["contestant"]: row for row in rows}
    assert {name: row["median_s"] for name, row in found.items()} == {
        "plain, default allocator": 3.0, "plain": 2.0, "ours, 32-true": 1.0, "ours, 32-true, Lightning's loop": 4.0,
    }  # fmt: skip
    assert [row["per_second"] for row in rows] == pytest.approx([2 / 3, 1.0, 2.0, 0.5])
    assert [row["against_plain"] for row in rows] == pytest.approx([2 / 3, 1.0, 2.0, 0.5])
    assert [row["against_default"] for row in rows] == pytest.approx([1.0, 1.5, 3.0, 0.75])


def test_rates_are_operations_and_bytes_read_and_written_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of 1,024 x 1,024, a convolution of 256 channels at 64 x 64, a copy of 128 MiB; in half a second each."""
    monkeypatch.setattr(machine, "_best", lambda *given: 0.5)
    found = machine.measure(CPU, torch.float32)
    assert found == (2 * 2 * 1024**3, 2 * 2 * 9 * 256**2 * 64**2, 2 * 2 * 2**27)
    assert found.flops == found.convolution
