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


def test_the_functions_own_error_is_raised(stand_in: StandIn) -> None:
    network = Network()

    def broken(x: Tensor) -> Any:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        graphed(broken, network, CPU, pytest.fail)(torch.ones(1))
