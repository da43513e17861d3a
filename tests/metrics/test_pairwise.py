"""Figures of pairs against formulas written anew in NumPy, and the checks of what is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from adain.metrics.feature_cache import FeatureCache, check_pictures
from adain.metrics.pairwise import (
    Cfsd,
    ColorDistance,
    ContentFeatureLoss,
    ContentLoss,
    GramLoss,
    PairMetric,
    Ssim,
    StyleLoss,
)
from adain.metrics.structure import cfsd
from adain.nn.encoder import STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def numpy_taps(encoder: Encoder, picture: torch.Tensor) -> dict[str, np.ndarray]:
    return {name: taps.double().numpy() for name, taps in encoder.extract_features(picture).items()}


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per sample and channel, by sums over positions."""
    count = x.shape[2] * x.shape[3]
    mean = x.sum((2, 3)) / count
    return mean, np.sqrt((x**2).sum((2, 3)) / count - mean**2 + 1e-5)


def test_content_losses(encoder: Encoder, three: Three) -> None:
    output, content, style = three
    o, c, s = (numpy_taps(encoder, picture)["relu4_1"] for picture in three)
    (m, d), (ms, ds) = moments(c), moments(s)
    target = (c - m[..., None, None]) / d[..., None, None] * ds[..., None, None] + ms[..., None, None]
    see = FeatureCache(encoder)
    np.testing.assert_allclose(
        ContentLoss(see).per_pair(output, content, style), ((o - target) ** 2).mean((1, 2, 3)), rtol=1e-4
    )
    np.testing.assert_allclose(
        ContentFeatureLoss(see).per_pair(output, content, style), ((o - c) ** 2).mean((1, 2, 3)), rtol=1e-4
    )


def test_style_loss_in_both_reductions(encoder: Encoder, three: Three) -> None:
    output, content, style = three
    o, s = numpy_taps(encoder, output), numpy_taps(encoder, style)
    mean, total = np.zeros(2), np.zeros(2)
    for name in STYLE_LAYERS:
        squares = sum((a - b) ** 2 for a, b in zip(moments(o[name]), moments(s[name]), strict=True))
        mean, total = mean + squares.mean(1), total + squares.sum(1)
    see = FeatureCache(encoder)
    np.testing.assert_allclose(StyleLoss(see, "mean").per_pair(output, content, style), mean, rtol=1e-3)
    np.testing.assert_allclose(StyleLoss(see, "sum").per_pair(output, content, style), total, rtol=1e-3)


def test_gram_loss(encoder: Encoder, three: Three) -> None:
    output, content, style = three
    o, s = numpy_taps(encoder, output), numpy_taps(encoder, style)
    expected = np.zeros(2)
    for name in STYLE_LAYERS:
        grams = [np.einsum("nchw,ndhw->ncd", x, x) / (x.shape[2] * x.shape[3]) for x in (o[name], s[name])]
        channels = grams[0].shape[1]
        expected += ((grams[0] - grams[1]) ** 2).sum((1, 2)) / (4 * channels**2) / 4
    np.testing.assert_allclose(GramLoss(FeatureCache(encoder)).per_pair(output, content, style), expected, rtol=1e-3)


def test_cfsd(encoder: Encoder, three: Three) -> None:
    output, content, style = three
    expected = []
    for o, c in zip(*(numpy_taps(encoder, x)["relu3_1"] for x in (output, content)), strict=True):
        rows = []
        for features in (o, c):
            flat = features.reshape(len(features), -1)
            similarity = np.exp(flat.T @ flat / len(features) ** 2)
            rows.append(similarity / similarity.sum(1, keepdims=True))
        found, wanted = rows
        expected.append((wanted * np.log(wanted / found)).sum())
    see = FeatureCache(encoder)
    metric = Cfsd(lambda picture: see(picture).structure)
    np.testing.assert_allclose(metric.per_pair(output, content, style), expected, rtol=1e-4)
    assert metric.per_pair(content, content.clone(), style).abs().max() < 1e-6


def test_cfsd_of_many_positions_takes_some_rows_in_full() -> None:
    """All rows of 900 positions by the definition, against 256 of them and the formula for the rest."""
    generator = torch.Generator().manual_seed(5)
    scale = 1 + torch.arange(900.0).view(30, 30) / 300  # rows differ, so that a sample alone would not do
    output, content = (torch.rand(2, 1, 16, 30, 30, generator=generator) * scale).double()
    rows = [torch.softmax(x[0].flatten(1).T @ x[0].flatten(1) / 256, 1) for x in (output, content)]
    expected = float((rows[1] * (rows[1] / rows[0]).log()).sum())
    assert float(cfsd(output, content)) == pytest.approx(expected, rel=5e-3)


def test_ssim_against_scikit_image(three: Three) -> None:
    measure = pytest.importorskip("skimage.metrics").structural_similarity
    output, content, style = three
    expected = [
        measure(
            o.permute(1, 2, 0).double().numpy(), c.permute(1, 2, 0).double().numpy(), gaussian_weights=True,
            sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=2,
        )
        for o, c in zip(output, content, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(Ssim().per_pair(output, content, style), expected, atol=1e-4)


def test_color_distance_against_numpy(three: Three) -> None:
    output, content, style = three
    expected = []
    for pair in zip(output, style, strict=True):
        p, q = (np.histogramdd(x.flatten(1).T.numpy(), bins=8, range=[(0, 1)] * 3)[0] / x[0].numel() for x in pair)
        expected.append(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2))
    np.testing.assert_allclose(ColorDistance().per_pair(output, content, style), expected, atol=1e-4)


def test_features_of_one_pass_are_shared(encoder: Encoder, three: Three) -> None:
    calls = []

    see = FeatureCache(encoder)
    network = see.networks["encoder"]
    see.networks["encoder"] = lambda picture: calls.append(picture) or network(picture)
    for metric in (
        ContentLoss(see),
        StyleLoss(see, "mean"),
        GramLoss(see),
        Cfsd(lambda picture: see(picture).structure),
    ):
        metric.update(*three)
    assert len(calls) == 3


def test_features_of_a_joined_batch_are_those_of_its_pictures(encoder: Encoder, pictures: torch.Tensor) -> None:
    see, parts = FeatureCache(encoder), pictures.split(1)
    found, first, second = see(see.join(parts)), see(parts[0]), see(parts[1])
    for name in ("deepest", "structure"):
        assert torch.equal(getattr(found, name), torch.cat([getattr(first, name), getattr(second, name)]))
    assert torch.equal(found.grams["relu2_1"], torch.cat([first.grams["relu2_1"], second.grams["relu2_1"]]))
    stds = [of.statistics["relu1_1"].std for of in (first, second)]
    assert torch.equal(found.statistics["relu1_1"].std, torch.cat(stds))
    assert found.positions == first.positions
    torch.testing.assert_close(found.deepest, see(pictures).deepest, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("spoil", [lambda x: x * 2 - 1, lambda x: x * 255, lambda x: x / 0])
def test_out_of_range_is_one_clear_error(three: Three, spoil) -> None:  # type: ignore[no-untyped-def]
    output, content, style = three
    with pytest.raises(InputError, match=r"the output has values from .* but metrics take RGB in \[0, 1\]"):
        Ssim().update(spoil(output), content, style)


def test_bytes_and_sizes_are_refused(three: Three) -> None:
    output, content, style = three
    with pytest.raises(InputError, match="divide 8-bit pixels by 255"):
        check_pictures(output=(output * 255).to(torch.uint8))
    with pytest.raises(InputError, match="one size"):
        Ssim().update(output[..., :-1], content, style)


def test_mean_over_unequal_batches(three: Three) -> None:
    output, content, style = three
    metric = ColorDistance()
    metric.update(output, content, style)
    metric.update(output[:1], content[:1], style[:1])
    values = metric.per_pair(output, content, style)
    assert float(metric.compute()) == pytest.approx(float((2 * values[0] + values[1]) / 3))


def _rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    generator = torch.Generator().manual_seed(rank)
    count = 1 + rank  # unequal shares
    content, style = torch.rand(2, count, 3, 24, 24, generator=generator)
    output = (content + style) / 2
    metrics: list[PairMetric] = [Ssim(), ColorDistance()]
    from adain.metrics.frechet import frechet_distance

    frechet = frechet_distance(3)
    for real, pictures in ((True, style), (False, output)):
        frechet.update(pictures.mean((2, 3)), real)
    for metric in metrics:
        metric.update(output, content, style)
    torch.save([float(m.compute()) for m in [*metrics, frechet]], Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_reduced_over_two_ranks(tmp_path: Path) -> None:
    """About 20 s: two processes import torch."""
    multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    content, style = (
        torch.cat([torch.rand(2, n, 3, 24, 24, generator=torch.Generator().manual_seed(n - 1))[i] for n in (1, 2)])
        for i in range(2)
    )
    output = (content + style) / 2
    expected = [float(m.per_pair(output, content, style).mean()) for m in (Ssim(), ColorDistance())]
    means = [x.mean((2, 3)).double().numpy() for x in (style, output)]
    difference = means[0].mean(0) - means[1].mean(0)
    covariances = [np.cov(m, rowvar=False) for m in means]
    roots = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None)).sum()
    expected.append(difference @ difference + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-7)
    assert found[0] == found[1]
