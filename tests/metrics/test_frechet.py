"""The Frechet distance against SciPy's matrix square root, by hand, and against its figures before torchmetrics' was used."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchvision.models import inception_v3

from adain.metrics.frechet import ArtInception, InceptionStem, artfid, frechet_distance, sifid, worth
from adain.metrics.metric_suite import build_suite
from adain.runtime.errors import InputError


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


@pytest.fixture(scope="module")
def inception() -> torch.nn.Module:
    """torchvision's Inception with random weights."""
    torch.manual_seed(0)
    network: torch.nn.Module = inception_v3(weights=None, aux_logits=False, init_weights=False).eval()
    return network


def test_the_inception_of_artfid(inception: torch.nn.Module) -> None:
    """Published with two classifiers and their auxiliary ones, which are not used; nothing resized or normalized."""
    state = {name: value for name, value in inception.state_dict().items() if not name.startswith("fc")}
    state |= {"fc1.weight": torch.zeros(1000, 2048), "AuxLogits2.fc.bias": torch.zeros(1000)}
    pictures = torch.rand(2, 3, 80, 96)
    found = ArtInception(state).eval()(pictures)
    seen: list[torch.Tensor] = []
    inception.avgpool.register_forward_hook(lambda *given: seen.append(given[-1].flatten(1)))  # type: ignore[operator, union-attr]
    with torch.no_grad():
        inception(pictures)
    assert found.shape == (2, 2048)
    torch.testing.assert_close(found, seen[0])
    state.pop("Mixed_7c.branch1x1.conv.weight")
    with pytest.raises(InputError, match=r"not the weights of ArtFID's Inception .*Mixed_7c"):
        ArtInception(state)


def test_sifid_is_the_distance_of_two_pictures_positions() -> None:
    one, two = (features(60, seed).T.reshape(1, 6, 6, 10) for seed in (1, 2))
    a, b = (x[0].flatten(1).T.numpy() for x in (one, two))
    roots = np.sqrt(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(0)).sum()
    difference = a.mean(0) - b.mean(0)
    expected = difference @ difference + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * roots
    assert float(sifid(one, two)) == pytest.approx(expected, rel=1e-4)
    assert float(sifid(one, one)) == pytest.approx(0, abs=1e-6)


def test_the_stem_of_sifid_ends_before_the_second_pooling(inception: torch.nn.Module) -> None:
    """In pictures of -1 to 1; the published file holds more than the stem."""
    stem, seen = InceptionStem(inception.state_dict()).eval(), []
    picture = torch.rand(1, 3, 80, 80)
    inception.Conv2d_4a_3x3.register_forward_hook(lambda *given: seen.append(given[-1]))  # type: ignore[operator, union-attr]
    with torch.no_grad():
        inception(2 * picture - 1)
    torch.testing.assert_close(stem(picture), seen[0])
    assert seen[0].shape[1] == 192


def test_artfids_inception_is_not_replaced_by_another() -> None:
    suite = build_suite(["fid", "artfid"], SimpleNamespace(), {}, torch.device("cpu"), "styleid")  # type: ignore[arg-type]
    assert not suite.sets
    assert "give weights.art_inception=FILE" in suite.left_out["fid"]
