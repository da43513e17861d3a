"""The Frechet distance against SciPy's matrix square root and against torchmetrics' FID."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adain.metrics.frechet import FrechetDistance, artfid, frechet_distance, worth
from adain.runtime.errors import UserError


def features(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    return torch.randn(count, 6, generator=generator, dtype=torch.float64) @ mixing + seed


def metric_of(real: torch.Tensor, fake: torch.Tensor) -> FrechetDistance:
    metric = FrechetDistance(real.shape[1])
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


def test_against_torchmetrics() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Means(torch.nn.Module):
        num_features = 12

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1)

    generator = torch.Generator().manual_seed(5)
    real, fake = torch.randint(0, 256, (2, 30, 3, 8, 8), generator=generator, dtype=torch.uint8)
    theirs = FrechetInceptionDistance(feature=Means())
    theirs.set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    ours = metric_of(Means()(real), Means()(fake))
    assert float(ours.compute()) == pytest.approx(float(theirs.compute()), rel=1e-4)


def test_equal_sets_and_too_few() -> None:
    x = features(20, 3)
    assert float(metric_of(x, x).compute()) == pytest.approx(0, abs=1e-6)
    with pytest.raises(UserError, match="needs two pictures on each side"):
        metric_of(x, x[:1]).compute()


def test_known_value() -> None:
    eye, zero = torch.eye(2), torch.zeros(2)
    assert float(frechet_distance(zero, eye, zero + 1, 4 * eye)) == pytest.approx(2 + 2 + 8 - 2 * 4)


def test_artfid_and_worth() -> None:
    assert artfid(0.5, 9.0) == pytest.approx(15)
    assert "rank-deficient" in (worth(800, 2048) or "")
    assert worth(5000, 2048) is None
