from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adain.evaluation.speed import candidates, layer_times
from adain.evaluation.speed.machine import Rates
from adain.evaluation.speed.roofline import Layer, Work, floor_seconds, stage_work
from adain.evaluation.speed.stages import STYLIZE, Setting
from tests.helpers.candidates import Fixed

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "shape"), [("forward", (2, 5, 7, 6)), ("input", (2, 3, 9, 8)), ("weights", (5, 3, 3, 3))]
)
def test_each_kind_is_its_own_convolution(kind: str, shape: tuple[int, ...]) -> None:
    """By its result's shape, and by its operations: each kind has as many as the layer's forward pass."""
    layer = Layer(kind, 2, 3, 5, 7, 6)  # type: ignore[arg-type]
    call = layer_times._convolution(layer, CPU, torch.float32)
    with FlopCounterMode(display=False) as counter:
        result = call()
    given = [result] if isinstance(result, Tensor) else [part for part in result if part is not None]  # type: ignore[attr-defined]
    assert [tuple(part.shape) for part in given] == [shape]
    assert counter.get_total_flops() == 2 * 9 * 2 * 3 * 5 * 7 * 6


def test_equal_convolutions_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Layer] = []
    monkeypatch.setattr(layer_times, "_convolution", lambda layer, *_: measured.append(layer) or (lambda: 0.5))
    work = [*(stage_work("whole step", 1, 16, 16) or []), Work(1, 1)]
    times = layer_times.layer_times(work, CPU, torch.float32)
    assert len(measured) == len(set(measured)) == len(times)
    assert {layer.kind for layer in times} == {"forward", "input", "weights"}
    assert set(times.values()) == {0.5}


def test_measured_seconds_take_the_place_of_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU alone; what is no convolution is still counted."""
    layer = Layer("forward", 1, 3, 4, 5, 6)
    work = [Work(100, 1, layer=layer), Work(0, 0, fixed_bytes=40)]
    assert floor_seconds(work, 10.0, 20.0, 4) == pytest.approx(10 + 2)
    assert floor_seconds(work, 10.0, 20.0, 4, {layer: 0.5}) == pytest.approx(0.5 + 2)

    setting = Setting("ours", "stylize", 64, 1)
    monkeypatch.setattr(candidates, "build", lambda *_: Fixed(dict.fromkeys(STYLIZE, 2.0)))
    monkeypatch.setattr(candidates, "layer_times", lambda work, *_: {one.layer: 0.25 for one in work if one.layer})
    rates = {4: Rates(1e12, 1e12, 1e15)}
    assert all(row["share"] < 0.1 for row in candidates.measure([setting], rates, 1, 0, CPU))
    monkeypatch.setattr(candidates, "interleave", lambda stages, *_: {setting.name: {STYLIZE[1]: [20.0]}})
    (row,) = candidates.measure([setting], rates, 1, 0, torch.device("cuda"))
    assert row["floor_s"] == pytest.approx(18 * 0.25, rel=1e-3)  # nine convolutions of the encoder, nine of the decoder
