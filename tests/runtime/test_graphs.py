"""A function that is recorded and replayed, on a stand-in for CUDA graphs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adain.runtime.graphs import CAPTURES, graphed
from tests.helpers.graphs import StandIn

CPU = torch.device("cpu")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn()
    monkeypatch.setitem(CAPTURES, "cpu", made)
    return made


class Network(nn.Module):
    """A loss over a normalization that keeps running figures."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def loss(self, x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        error = (self.layers(x) - y).square().mean()
        return error, {"error": error.detach()}


def pair(seed: int, side: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.rand(2, 3, side, side), torch.rand(2, 4, side - 2, side - 2)


def test_it_is_recorded_once_and_gives_the_same_losses_gradients_and_running_figures(stand_in: StandIn) -> None:
    plain, recorded, said = Network(), Network(), list[str]()
    call = graphed(recorded.loss, recorded, CPU, said.append)
    for seed in range(3):
        for network, function in ((plain, plain.loss), (recorded, call)):
            network.zero_grad()
            loss, terms = function(*pair(seed))
            torch.autograd.backward(loss)
            assert torch.equal(terms["error"], loss)
        found = [*recorded.buffers(), *(p.grad for p in recorded.parameters())]
        for own, expected in zip(found, [*plain.buffers(), *(p.grad for p in plain.parameters())], strict=True):
            assert torch.equal(own, expected)  # type: ignore[arg-type]
    assert (stand_in.recorded, stand_in.forward, stand_in.backward) == ([[(2, 3, 6, 6), (2, 4, 4, 4)]], 3, 3)
    assert said == []


def test_without_gradients_and_with_other_sizes_it_runs_as_usual(stand_in: StandIn) -> None:
    network, said = Network(), list[str]()
    call = graphed(network.loss, network, CPU, said.append)
    with torch.no_grad():
        call(*pair(0))
    assert stand_in.recorded == []
    call(*pair(0))
    for _ in range(2):
        loss, _ = call(*pair(1, 8))
        assert torch.equal(loss, network.loss(*pair(1, 8))[0])
    call(*pair(2))
    assert (len(stand_in.recorded), stand_in.forward) == (1, 2)
    assert said == ["a batch of (2, 3, 8, 8) and (2, 4, 6, 6) is not as recorded"]


def test_what_cannot_be_recorded_runs_as_usual_and_says_so_once(stand_in: StandIn) -> None:
    network, said = Network(), list[str]()

    def waits(x: Tensor, y: Tensor) -> Tensor:
        loss, _ = network.loss(x, y)
        return loss * (2.0 if loss.item() > 0 else 1.0)

    call = graphed(waits, network, CPU, said.append)
    for seed in (0, 1):
        assert torch.equal(call(*pair(seed)), waits(*pair(seed)))
    assert stand_in.recorded == []
    assert said == ["RuntimeError: operation not permitted when stream is capturing"]


def test_moved_weights_are_recorded_again(stand_in: StandIn) -> None:
    """A trainer's end frees what a graph has recorded the addresses of."""
    network = Network()
    call = graphed(network.loss, network, CPU, pytest.fail)
    call(*pair(0))
    for parameter in network.parameters():
        parameter.data = parameter.data.clone() + 1
    for _ in range(2):
        assert torch.equal(call(*pair(1))[0], network.loss(*pair(1))[0])
    assert (len(stand_in.recorded), stand_in.forward) == (2, 3)


def test_other_threads_may_use_the_gpu_while_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CUDA's default mode, a batch that a loader's thread pins meanwhile ends the run."""
    usual, modes = torch.cuda.graph, list[str]()
    monkeypatch.setattr(usual, "__init__", lambda self, graph, capture_error_mode: modes.append(capture_error_mode))

    def records(module: nn.Module, tensors: tuple[Tensor, ...]) -> nn.Module:
        torch.cuda.graph(None, capture_error_mode="global")  # type: ignore[arg-type]
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", records)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "before")
    streams: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_stream", streams.append)
    network = Network()
    assert CAPTURES["cuda"](network, ()) is network
    assert (modes, streams, torch.cuda.graph) == (["thread_local"], ["before"], usual)


def test_the_functions_own_error_is_raised(stand_in: StandIn) -> None:
    network = Network()

    def broken(x: Tensor) -> Any:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        graphed(broken, network, CPU, pytest.fail)(torch.ones(1))
