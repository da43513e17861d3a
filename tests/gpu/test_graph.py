"""The training step as a real CUDA graph."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.recorded import run

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: make test-gpu")]


@pytest.fixture(autouse=True)
def same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN adds up a weight's gradient in one order."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


WIDE = {"accelerator": "gpu", "widths": [32, 64, 128], "side": 64}


@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 1e-3), ("bf16-mixed", 3e-2)])
def test_losses_are_those_of_steps_without_a_graph(
    precision: str, tolerance: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adain.training.cuda_graph.say", pytest.fail)  # nothing is to stop it from being recorded
    plain, _, _ = run(tmp_path, False, steps=200, precision=precision, **WIDE)  # type: ignore[arg-type]
    replays = count_replays(monkeypatch)
    losses, _, _ = run(tmp_path, True, steps=200, precision=precision, **WIDE)  # type: ignore[arg-type]
    assert replays[0] == 2 * 200  # forward and backward
    assert losses == pytest.approx(plain, rel=tolerance)
    assert losses[-1] < 0.9 * losses[0]


def test_a_resumed_run_ends_as_one_that_was_not_cut(tmp_path: Path) -> None:
    losses, whole, _ = run(tmp_path, True, steps=8, precision="bf16-mixed", **WIDE)  # type: ignore[arg-type]
    _, _, half = run(tmp_path, True, steps=4, precision="bf16-mixed", **WIDE)  # type: ignore[arg-type]
    rest, resumed, _ = run(tmp_path, True, steps=8, ckpt=half, precision="bf16-mixed", **WIDE)  # type: ignore[arg-type]
    assert rest == losses[4:]
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


def count_replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the replays of all graphs, in a list of one number."""
    count, replay = [0], torch.cuda.CUDAGraph.replay

    def counted(graph: torch.cuda.CUDAGraph) -> None:
        count[0] += 1
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
    return count
