"""The Frechet distance against SciPy's matrix square root, by hand, and against its figures before torchmetrics' was used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from adain.metrics.frechet import artfid, frechet_distance, worth


def features(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    return torch.randn(count, 6, generator=generator, dtype=torch.float64) @ mixing + seed


def metric_of(real: torch.Tensor, fake: torch.Tensor) -> FrechetInceptionDistance:
    metric = frechet_distance(real.shape[1])
    for kind, x in ((True, real), (False, fake)):
        for part in x.split(7):
            metric.update(part, real=kind)
    return metric


@pytest.mark.parametrize("count", [40, 4])  # 4 pictures for 6 features: rank-deficient
def test_against_scipy(count: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    real, fake = features(count, 1).numpy(), features(count + 1, 2).numpy()
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = linalg.sqrtm(a @ b)
    difference = real.mean(0) - fake.mean(0)
    expected = difference @ difference + np.trace(a + b - 2 * root.real)
    found = metric_of(torch.from_numpy(real), torch.from_numpy(fake)).compute()
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("count", "expected"), [(40, 15.525312659793627), (4, 23.021578887347562)])
def test_figures_are_those_of_version_0_1(count: int, expected: float) -> None:
    """It had a distance of its own, by the eigenvalues of a symmetric matrix."""
    found = metric_of(features(count, 1), features(count + 1, 2)).compute()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_equal_sets_and_too_few() -> None:
    x = features(20, 3)
    assert float(metric_of(x, x).compute()) == pytest.approx(0, abs=1e-6)
    with pytest.raises(RuntimeError, match="More than one sample is required"):
        metric_of(x, x[:1]).compute()


def test_known_value() -> None:
    points = 1.5**0.5 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # mean 0, covariance 1
    assert float(metric_of(points, 1 + 2 * points).compute()) == pytest.approx(2 + 2 + 8 - 2 * 4)


def test_artfid_and_worth() -> None:
    assert artfid(0.5, 9.0) == pytest.approx(15)
    assert "rank-deficient" in (worth(800, 2048) or "")
    assert worth(5000, 2048) is None
