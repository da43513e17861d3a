"""What is made of measured seconds, by candidates whose clocks stand still."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adain.evaluation.speed import candidates, machine, stages, training
from adain.evaluation.speed.bench import Benchmark
from adain.evaluation.speed.candidates import measure
from adain.evaluation.speed.clock import Stages
from adain.evaluation.speed.machine import Rates
from adain.evaluation.speed.roofline import Layer, Work, floor_seconds, stage_work
from adain.evaluation.speed.stages import PORT, STYLIZE, Setting
from adain.nn.decoder import load_decoder
from adain.runtime import graphs
from tests.helpers.candidates import fixed
from tests.helpers.graphs import StandIn

CPU = torch.device("cpu")


def test_rows_say_pictures_per_second_shares_of_the_floor_and_times_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, port = Setting("stylize", 64, 4), Setting("stylize", 64, 4, reference="checkout")
    seconds = {ours.name: {STYLIZE[0]: 2.0, STYLIZE[1]: 0.5}, PORT: {STYLIZE[0]: 6.0}}
    monkeypatch.setattr(candidates, "build", lambda setting, device: fixed(seconds[setting.name]))
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


def test_the_machine_line_names_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none" in machine.describe(CPU)["gpu"]
    card = SimpleNamespace(name="Card 9", total_memory=80 * 2**30, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    assert machine.describe(CPU)["gpu"] == "Card 9, 80 GiB, compute capability 9.0"


def test_a_gpus_candidates_include_a_graph() -> None:
    asked = SimpleNamespace(
        model="adain", sizes=[64], batch_sizes=[8], memory_formats=None, compile=[False], reference=None
    )
    for device, recorded in (("cpu", [False]), ("cuda", [False, True])):
        (settings,) = Benchmark._settings(asked, "stages", ["bf16-mixed"], torch.device(device))  # type: ignore[arg-type]
        assert [setting.graph for setting in settings] == recorded
        assert len({setting.name for setting in settings}) == len(settings)


def test_a_step_with_a_graph_is_recorded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the stand-in that the training's tests use: the loss and the weights go the same way as without."""
    monkeypatch.setitem(graphs.CAPTURES, "cpu", stand_in := StandIn())
    monkeypatch.setattr(stages, "load_decoder", lambda name: load_decoder("shipped"))
    steps = [stages.OurStep(Setting("stages", 16, 1, graph=graph), CPU) for graph in (False, True)]
    assert [name for name, _ in steps[1].stages()] == ["whole step"]
    for step in steps:
        for _ in range(2):
            step.step()
    assert stand_in.forward == stand_in.backward == 2
    for one, other in zip(*(step.method.decoder.parameters() for step in steps), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("kind", "shape"), [("forward", (2, 5, 7, 6)), ("input", (2, 3, 9, 8)), ("weights", (5, 3, 3, 3))]
)
def test_each_kind_is_its_own_convolution(kind: str, shape: tuple[int, ...]) -> None:
    """By its result's shape, and by its operations: each kind has as many as the layer's forward pass."""
    layer = Layer(kind, 2, 3, 5, 7, 6)  # type: ignore[arg-type]
    call = candidates._convolution(layer, CPU, torch.float32)
    with FlopCounterMode(display=False) as counter:
        result = call()
    given = [result] if isinstance(result, Tensor) else [part for part in result if part is not None]  # type: ignore[attr-defined]
    assert [tuple(part.shape) for part in given] == [shape]
    assert counter.get_total_flops() == 2 * 9 * 2 * 3 * 5 * 7 * 6


def test_equal_convolutions_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Layer] = []
    calls: list[None] = []

    def ten_seconds(stages: dict[str, Stages], *_: object) -> dict[str, dict[str, list[float]]]:
        stages[""][0][1]()
        return {"": {"": [10.0]}}

    monkeypatch.setattr(candidates, "interleave", ten_seconds)
    monkeypatch.setattr(
        candidates, "_convolution", lambda layer, *_: measured.append(layer) or (lambda: calls.append(None))
    )
    work = [*(stage_work("whole step", 1, 16, 16) or []), Work(1, 1)]
    times = candidates.layer_times(work, CPU, torch.float32)
    assert len(measured) == len(set(measured)) == len(times)
    assert {layer.kind for layer in times} == {"forward", "input", "weights"}
    assert set(times.values()) == {10.0 * len(measured) / len(calls)} == {0.5}


def test_measured_seconds_take_the_place_of_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU alone; what is not a convolution is still counted."""
    layer = Layer("forward", 1, 3, 4, 5, 6)
    work = [Work(100, 1, layer=layer), Work(0, 0, fixed_bytes=40)]
    assert floor_seconds(work, 10.0, 20.0, 4) == pytest.approx(10 + 2)
    assert floor_seconds(work, 10.0, 20.0, 4, {layer: 0.5}) == pytest.approx(0.5 + 2)

    setting = Setting("stylize", 64, 1)
    monkeypatch.setattr(candidates, "build", lambda *_: fixed(dict.fromkeys(STYLIZE, 2.0)))
    monkeypatch.setattr(candidates, "layer_times", lambda work, *_: {one.layer: 0.25 for one in work if one.layer})
    rates = {4: Rates(1e12, 1e12, 1e15)}
    assert all(row["share"] < 0.1 for row in candidates.measure([setting], rates, 1, 0, CPU))
    monkeypatch.setattr(candidates, "interleave", lambda stages, *_: {setting.name: {STYLIZE[1]: [20.0]}})
    (row,) = candidates.measure([setting], rates, 1, 0, torch.device("cuda"))
    assert row["floor_s"] == pytest.approx(18 * 0.25, rel=1e-3)  # nine convolutions of the encoder, nine of the decoder
