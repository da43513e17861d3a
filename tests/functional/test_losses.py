from __future__ import annotations

import numpy as np
import pytest
import torch

from adain.functional.losses import (
    content_loss,
    gram,
    gram_loss,
    identity_loss,
    measure_style,
    measured_loss,
    style_loss,
    total_variation,
    weighted_total,
)
from adain.functional.statistics import Statistics, channel_statistics


def random_statistics() -> Statistics:
    return Statistics(torch.randn(3, 64, 1, 1), torch.rand(3, 64, 1, 1) + 0.1)


def test_content_loss_averages_over_everything() -> None:
    a, b = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    wanted = float(np.mean((a.numpy().astype(np.float64) - b.numpy()) ** 2))
    assert content_loss(a, b).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_style_loss_against_a_loop_over_channels(reduction: str) -> None:
    a, b = random_statistics(), random_statistics()
    per_sample = []
    for n in range(3):
        terms = [
            (a.mean[n, c, 0, 0].item() - b.mean[n, c, 0, 0].item()) ** 2
            + (a.std[n, c, 0, 0].item() - b.std[n, c, 0, 0].item()) ** 2
            for c in range(64)
        ]
        per_sample.append(sum(terms) / (64 if reduction == "mean" else 1))
    found = style_loss(a, b, reduction)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(sum(per_sample) / 3, rel=1e-5)


def test_sum_is_channels_times_mean() -> None:
    a, b = random_statistics(), random_statistics()
    assert style_loss(a, b, "sum").item() == pytest.approx(64 * style_loss(a, b, "mean").item(), rel=1e-5)


def test_mean_and_standard_deviation_add_up_separately() -> None:
    a = Statistics(torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1))
    assert style_loss(a, Statistics(a.mean + 2, a.std), "mean").item() == pytest.approx(4)
    assert style_loss(a, Statistics(a.mean, a.std + 3), "mean").item() == pytest.approx(9)
    assert style_loss(Statistics(a.std, a.mean), a, "mean").item() == pytest.approx(2)


def test_gram_loss_is_equation_4_of_gatys_for_equal_sizes() -> None:
    """``E = sum_ij (G - A)^2 / (4 N^2 M^2)`` with G and A summed over M positions."""
    x, y = (np.random.default_rng(seed).normal(size=(2, 5, 4, 6)) for seed in (0, 1))
    wanted = 0.0
    for sample in range(2):
        f, p = x[sample].reshape(5, 24), y[sample].reshape(5, 24)
        wanted += np.square(np.einsum("ik,jk->ij", f, f) - np.einsum("ik,jk->ij", p, p)).sum() / (4 * 25 * 24**2)
    found = gram_loss(*(gram(torch.from_numpy(array).float()) for array in (x, y)))
    assert found.item() == pytest.approx(wanted / 2, rel=1e-5)


def test_total_variation_of_stripes() -> None:
    stripes = torch.tensor([0.0, 1.0] * 4).expand(1, 3, 8, 8)
    assert total_variation(stripes).item() == pytest.approx(1)
    assert total_variation(torch.full((1, 3, 8, 8), 0.3)).item() == 0


def test_identity_loss_is_the_pixel_error() -> None:
    assert identity_loss(torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 3, 4, 4)).item() == pytest.approx(0.25)


def test_weights_are_looked_up_by_full_name_then_by_prefix() -> None:
    terms = {"content": torch.tensor(2.0), "style/relu1_1": torch.tensor(3.0), "style/relu4_1": torch.tensor(5.0)}
    assert weighted_total(terms, {"content": 1, "style": 10}).item() == pytest.approx(82)
    assert weighted_total(terms, {"content": 1, "style": 10, "style/relu4_1": 0}).item() == pytest.approx(32)
    with pytest.raises(KeyError):
        weighted_total({"other": torch.tensor(1.0)}, {"content": 1})


def test_a_style_is_measured_as_asked_and_compared_with_its_like() -> None:
    features, other = torch.rand(1, 4, 5, 6), torch.rand(1, 4, 3, 3)
    matrices = measure_style(features, "gram"), measure_style(other, "gram")
    stats = measure_style(features, "statistics"), measure_style(other, "statistics")
    assert measured_loss(*matrices) == gram_loss(gram(features), gram(other))
    assert measured_loss(*stats) == style_loss(channel_statistics(features), channel_statistics(other), "mean")
    with pytest.raises(TypeError, match="one style is a Tensor, the other a Statistics: measure both alike"):
        measured_loss(matrices[0], stats[0])
