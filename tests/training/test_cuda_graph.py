"""Training with its step recorded, on a stand-in for CUDA graphs: when, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from adain.methods.optimizers import muon
from adain.runtime.graphs import CAPTURES
from adain.training import cuda_graph
from adain.training.cuda_graph import use_cuda_graph
from tests.helpers.graphs import StandIn
from tests.helpers.recorded import run


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(CAPTURES, "cpu", made)
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(cuda_graph, "say", lines.append)
    return lines


@pytest.mark.parametrize(
    "given",
    [{}, {"norm": "batch"}, {"optimizer": muon}, {"precision": "bf16-mixed", "gradient_clip_val": 0.1}],
    ids=["plain", "batch norm", "muon", "bf16, clipped"],
)
def test_losses_and_weights_are_those_of_steps_without_a_graph(
    given: dict[str, Any], stand_in: StandIn, said: list[str], tmp_path: Path
) -> None:
    plain, weights, _ = run(tmp_path, False, **given)
    assert stand_in.recorded == []
    losses, own, _ = run(tmp_path, "auto", **given)
    assert losses == plain
    assert len(set(losses)) == 4
    assert all(torch.equal(own[name], weight) for name, weight in weights.items())
    assert (len(stand_in.recorded), stand_in.forward, stand_in.backward, said) == (1, 4, 4, [])


def test_a_resumed_run_ends_as_one_that_was_not_cut(stand_in: StandIn, tmp_path: Path) -> None:
    losses, whole, _ = run(tmp_path, True, steps=4)
    _, _, half = run(tmp_path, True, steps=2)
    rest, resumed, _ = run(tmp_path, True, steps=4, ckpt=half)
    assert rest == losses[2:]
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


def test_gradients_that_add_up_are_not_recorded(stand_in: StandIn, said: list[str], tmp_path: Path) -> None:
    run(tmp_path, "auto", steps=2, accumulate_grad_batches=2)
    assert stand_in.recorded == []
    assert said == [
        "cuda_graph: not used (trainer.accumulate_grad_batches=2 adds up gradients of several passes); only the speed changes"
    ]


@pytest.mark.parametrize(
    ("asked", "compiled", "devices", "expected"),
    [
        ("auto", True, 1, "compile=true makes what it needs itself"),
        ("auto", False, 2, "several devices exchange gradients"),
        (False, True, 2, None),
    ],
)
def test_where_the_step_is_not_recorded(
    asked: Any, compiled: bool, devices: int, expected: str | None, stand_in: StandIn, said: list[str]
) -> None:
    kind: Any = pl.strategies.SingleDeviceStrategy if devices == 1 else pl.strategies.DDPStrategy
    strategy = object.__new__(type("Fake", (kind,), {"root_device": torch.device("cpu")}))
    method: Any = SimpleNamespace(objective="as it is")
    use_cuda_graph(method, SimpleNamespace(strategy=strategy, accumulate_grad_batches=1), asked, compiled)  # type: ignore[arg-type]
    assert method.objective == "as it is"
    assert [expected in line for line in said] == [True] if expected else said == []


@pytest.mark.parametrize(("asked", "lines"), [("auto", 0), (True, 1), (False, 0)])
def test_on_a_cpu_there_is_nothing_to_record(asked: Any, lines: int, said: list[str], tmp_path: Path) -> None:
    run(tmp_path, asked, steps=1)
    assert len(said) == lines
    assert all("the run is on cpu" in line for line in said)
