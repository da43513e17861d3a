"""The forward pass of AdaIN, with networks so simple that the results are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adain.functional.statistics import EPS, Statistics
from adain.nn.adain import StyleTransfer


class Same(nn.Module):
    """An encoder and a decoder that return their input."""

    def forward(self, x: Tensor) -> Tensor:
        return x

    def padded(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, 2, 0, 1), mode="replicate")


NETWORK = StyleTransfer(*(Same(), Same()))  # type: ignore[arg-type]


def style(mean: float, std: float) -> Statistics:
    return Statistics(torch.full((1, 3, 1, 1), mean), torch.full((1, 3, 1, 1), std))


def expected(content: Tensor, mean: float, std: float, alpha: float) -> Tensor:
    features = NETWORK.encode(content)
    variance, center = torch.var_mean(features, (2, 3), correction=0, keepdim=True)
    styled = std * (features - center) / (variance + EPS).sqrt() + mean
    made = (1 - alpha) * features + alpha * styled
    return made[..., : content.shape[-2], : content.shape[-1]].clamp(0, 1)


@pytest.mark.parametrize(
    ("given", "mean", "std"),
    [
        ({"styles": [style(0.4, 0.05)]}, 0.4, 0.05),
        ({"styles": [style(0.4, 0.05)], "alpha": 0.25}, 0.4, 0.05),
        ({"styles": [style(0.4, 0.05)], "alpha": torch.tensor(0.25)}, 0.4, 0.05),
        ({"styles": [style(0.2, 0.05), style(0.6, 0.1)], "weights": [3, 1]}, 0.3, 0.0625),
    ],
)
def test_alpha_and_mixing(given: dict[str, Any], mean: float, std: float) -> None:
    content = torch.rand(2, 3, 13, 18)
    wanted = expected(content, mean, std, float(given.get("alpha", 1.0)))
    torch.testing.assert_close(NETWORK(content, **given), wanted, atol=1e-5, rtol=1e-4)


def test_each_style_acts_in_its_region() -> None:
    content = torch.rand(1, 3, 15, 18)
    left = torch.zeros(1, 1, 16, 20)
    left[..., :10] = 1
    made = NETWORK(content, [style(0.2, 0.0), style(0.7, 0.0)], shares=torch.cat([left, 1 - left], 1))
    torch.testing.assert_close(made[..., :10], torch.full((1, 3, 15, 10), 0.2))
    torch.testing.assert_close(made[..., 10:], torch.full((1, 3, 15, 8), 0.7))


def test_the_contents_statistics_can_be_given() -> None:
    features = torch.rand(1, 3, 8, 8)
    made = NETWORK.render(features, (8, 8), [style(0.3, 0.2)], content_stats=[style(0.5, 1.0)])
    torch.testing.assert_close(made, (0.2 * (features - 0.5) + 0.3).clamp(0, 1))
