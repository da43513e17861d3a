"""The losses of other papers, written out as their authors compute them, on the published network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.metrics.metric_suite import add_losses, build_suite
from adain.nn.encoder import Encoder
from adain.nn.weights import find, read_state
from adain.runtime.schema import LossUnits
from tests.helpers.networks import RELUS, published_network
from tests.helpers.tensors import smooth_tensor

Maps = dict[str, Tensor]


@torch.no_grad()
def maps(network: torch.nn.Sequential, picture: Tensor) -> Maps:
    """Features at relu1_1 to relu5_1 of the published network, in float64."""
    x, found = picture.double(), {}
    for index, layer in enumerate(network, 1):
        x = layer(x)
        found |= {name: x for name, count in RELUS.items() if count == index}
    state = read_state(find("vgg19_normalized"))
    for key in (32, 35, 38, 42):
        if key == 42:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(padded, state[f"{key}.weight"].double(), state[f"{key}.bias"].double()).relu()
    return found | {"relu5_1": x}


def spread(x: Tensor, eps: float, less: int) -> Tensor:
    """Standard deviation a channel: epsilon on the variance, whose divisor is the count less something."""
    flat = x.flatten(2)
    return ((flat - flat.mean(2, keepdim=True)).square().sum(2) / (flat.shape[2] - less) + eps).sqrt()


def level(x: Tensor) -> Tensor:
    return x.flatten(2).mean(2)


def restyled(content: Tensor, style: Tensor, less: int, style_eps: float = 1e-5) -> Tensor:
    normal = (content - level(content)[..., None, None]) / spread(content, 1e-5, less)[..., None, None]
    return normal * spread(style, style_eps, less)[..., None, None] + level(style)[..., None, None]


def port(output: Maps, content: Maps, style: Maps) -> tuple[Tensor, Tensor]:
    total = torch.zeros(1)
    for name in RELUS:
        o, s = output[name], style[name]
        total = total + F.mse_loss(level(o), level(s)) + F.mse_loss(spread(o, 1e-5, 1), spread(s, 1e-5, 1))
    return F.mse_loss(output["relu4_1"], restyled(content["relu4_1"], style["relu4_1"], 1)), total


def lua(output: Maps, content: Maps, style: Maps) -> tuple[Tensor, Tensor]:
    total = torch.zeros(1)
    for name in RELUS:
        o, s = output[name], style[name]
        total = total + (level(o) - level(s)).square().sum() + (spread(o, 1e-6, 0) - spread(s, 0, 0)).square().sum()
    return F.mse_loss(output["relu4_1"], restyled(content["relu4_1"], style["relu4_1"], 0, 0)), total


def stytr2(output: Maps, content: Maps, style: Maps) -> tuple[Tensor, Tensor]:
    def normal(x: Tensor) -> Tensor:
        return (x - level(x)[..., None, None]) / spread(x, 1e-5, 1)[..., None, None]

    total = torch.zeros(1)
    for name, o in output.items():
        total = total + F.mse_loss(level(o), level(style[name])) + F.mse_loss(
            spread(o, 1e-5, 1), spread(style[name], 1e-5, 1)
        )  # fmt: skip
    return sum(F.mse_loss(normal(output[n]), normal(content[n])) for n in ("relu4_1", "relu5_1")), total  # type: ignore[return-value]


PICTURES = smooth_tensor(1, 24, 32), smooth_tensor(2, 24, 32), smooth_tensor(3, 32, 40)
"""An output, its content, and its style of another size."""


@pytest.fixture(scope="module")
def theirs() -> list[Maps]:
    network = published_network().double()
    return [maps(network, picture) for picture in PICTURES]


@pytest.mark.parametrize("units", ["port", "lua", "stytr2"])
def test_against_the_authors_formulas(encoder: Encoder, theirs: list[Maps], units: LossUnits) -> None:
    suite = build_suite([], encoder, {}, torch.device("cpu"))
    add_losses(suite, [units], None, torch.device("cpu"))
    found = [suite.pair[f"{kind}_loss_{units}"].per_pair(*PICTURES) for kind in ("content", "style")]
    expected = {"port": port, "lua": lua, "stytr2": stytr2}[units](*theirs)
    for value, wanted in zip(found, expected, strict=True):
        assert float(value) == pytest.approx(float(wanted), rel=1e-4)
