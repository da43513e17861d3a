from __future__ import annotations

import numpy as np
import pytest
import torch

from adain.functional.losses import gram
from adain.functional.statistics import (
    EPS,
    Statistics,
    adain,
    channel_statistics,
    content_statistics,
    join,
    mix,
    regions,
    target,
)


def test_statistics_are_population_statistics_per_sample_and_channel() -> None:
    features = torch.randn(3, 5, 4, 6) * 3 + 1
    mean, std = channel_statistics(features)
    array = features.numpy().astype(np.float64).reshape(3, 5, -1)
    np.testing.assert_allclose(mean.numpy().reshape(3, 5), array.mean(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(std.numpy().reshape(3, 5), np.sqrt(array.var(-1) + EPS), rtol=1e-5)


def test_statistics_are_the_same_without_the_cpu_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs, compilers and exporters take this path; a small map shows that the variance is not the unbiased one."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    features = torch.randn(3, 5, 2, 3) * 3 + 1
    array = features.numpy().astype(np.float64).reshape(3, 5, -1)
    for mean, std in (channel_statistics(features), channel_statistics(features, region=torch.ones(1, 1, 2, 3))):
        np.testing.assert_allclose(mean.numpy().reshape(3, 5), array.mean(-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(std.numpy().reshape(3, 5), np.sqrt(array.var(-1) + EPS), rtol=1e-5)


def test_statistics_of_half_precision_are_float32_and_do_not_overflow() -> None:
    features = torch.full((1, 2, 64, 64), 300.0, dtype=torch.float16)
    features[..., 0] = 0
    mean, std = channel_statistics(features)
    assert mean.dtype == std.dtype == torch.float32
    assert torch.isfinite(std).all()
    torch.testing.assert_close(mean.flatten(), torch.full((2,), 300 * 63 / 64), rtol=1e-3, atol=0)


def test_adain_gives_the_content_the_styles_statistics() -> None:
    """Swapping mean and std, or content and style, would fail here."""
    content, style = torch.randn(2, 4, 16, 16) * 2 + 5, torch.randn(2, 4, 8, 12) * 0.5 - 1
    wanted = channel_statistics(style)
    found = channel_statistics(adain(content, wanted))
    torch.testing.assert_close(found.mean, wanted.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.std, wanted.std, rtol=1e-4, atol=1e-4)


def test_adain_is_the_papers_formula() -> None:
    content, style = torch.randn(1, 3, 5, 5), torch.randn(1, 3, 7, 7)
    x, y = content.numpy().astype(np.float64), style.numpy().astype(np.float64)
    axes = {"axis": (2, 3), "keepdims": True}
    sigma_x, sigma_y = np.sqrt(x.var(**axes) + EPS), np.sqrt(y.var(**axes) + EPS)
    wanted = sigma_y * (x - x.mean(**axes)) / sigma_x + y.mean(**axes)
    np.testing.assert_allclose(adain(content, channel_statistics(style)).numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_one_style_broadcasts_over_a_batch_and_the_dtype_is_kept() -> None:
    style = Statistics(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    out = adain(torch.randn(4, 3, 8, 8, dtype=torch.bfloat16), style)
    assert out.shape == (4, 3, 8, 8)
    assert out.dtype == torch.bfloat16


def test_a_flat_channel_gives_no_nan() -> None:
    style = channel_statistics(torch.ones(1, 2, 4, 4))
    assert torch.isfinite(adain(torch.ones(1, 2, 4, 4), style)).all()


@pytest.mark.parametrize("size", [(7, 9), (1, 1)])
def test_gram_against_a_double_loop(size: tuple[int, int]) -> None:
    features = torch.randn(2, 4, *size) * 3
    array = features.numpy().astype(np.float64)
    found = gram(features).numpy()
    for n in range(2):
        for i in range(4):
            for j in range(4):
                assert found[n, i, j] == pytest.approx((array[n, i] * array[n, j]).mean(), rel=1e-5, abs=1e-6)


def test_gram_of_half_precision_is_float32_even_under_autocast() -> None:
    features = torch.full((1, 2, 64, 64), 250.0, dtype=torch.float16)
    with torch.autocast("cpu", torch.bfloat16):
        found = gram(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((1, 2, 2), 62500.0), rtol=1e-6, atol=0)


def random_style(seed: int, samples: int = 1, channels: int = 4) -> Statistics:
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, channels, 1, 1)
    return Statistics(torch.randn(shape, generator=generator), torch.rand(shape, generator=generator) + 0.2)


def test_mixing_is_the_weighted_mean_of_the_adain_outputs() -> None:
    features, styles = torch.randn(2, 4, 6, 5), [random_style(seed) for seed in (1, 2, 3)]
    wanted = sum(adain(features, style) * weight for style, weight in zip(styles, (0.2, 0.5, 0.3), strict=True))
    torch.testing.assert_close(target(features, styles, [2, 5, 3]), wanted, rtol=1e-4, atol=1e-5)


def test_mixing_without_weights_is_the_mean() -> None:
    one, other = random_style(1), random_style(2)
    torch.testing.assert_close(mix([one, other]).std, (one.std + other.std) / 2)


def test_statistics_of_a_region_use_only_its_positions() -> None:
    features, inside = torch.randn(1, 4, 7, 9), torch.rand(7, 9) > 0.6
    chosen = features[0, :, inside].double().numpy()
    mean, std = channel_statistics(features, region=inside.float()[None, None])
    np.testing.assert_allclose(mean.flatten().numpy(), chosen.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(std.flatten().numpy(), np.sqrt(chosen.var(1) + EPS), rtol=1e-4)


def test_each_region_is_stylized_by_itself_as_in_the_authors_code() -> None:
    """The authors cut out a mask's positions, normalize them by their own statistics, and put them back."""
    features, left = torch.randn(1, 4, 8, 10), torch.zeros(8, 10, dtype=torch.bool)
    left[:, :4] = True
    styles = [random_style(1), random_style(2)]
    wanted = torch.empty_like(features)
    for inside, style in ((left, styles[0]), (~left, styles[1])):
        wanted[0, :, inside] = adain(features[0, :, inside][None, :, :, None], style)[0, :, :, 0]
    shares = regions(torch.stack([left, ~left]).float()[None])
    torch.testing.assert_close(target(features, styles, shares=shares), wanted, rtol=1e-4, atol=1e-4)


def test_a_position_that_no_mask_covers_keeps_its_features() -> None:
    features, mask = torch.randn(1, 4, 6, 6), torch.zeros(1, 1, 6, 6)
    mask[..., :3] = 1
    found = target(features, [random_style(1)], shares=regions(mask))
    assert torch.equal(found[..., 3:], features[..., 3:])
    assert not torch.isclose(found[..., :3], features[..., :3]).all()


def test_overlapping_masks_share_by_weight_and_cover_once() -> None:
    masks = torch.tensor([[1.0, 1.0, 0.0, 0.2], [0.0, 0.5, 0.0, 0.2]]).view(1, 2, 1, 4)
    equal = regions(masks)[0, :, 0]
    torch.testing.assert_close(equal, torch.tensor([[1, 2 / 3, 0, 0.2], [0, 1 / 3, 0, 0.2]]))
    torch.testing.assert_close(regions(masks, [1, 3])[0, :, 0, 1], torch.tensor([0.4, 0.6]))


def test_a_style_with_zero_weight_covers_nothing() -> None:
    shares = regions(torch.ones(1, 2, 1, 2) * torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), [0.0, 1.0])
    torch.testing.assert_close(shares[0, :, 0], torch.tensor([[0.0, 0.0], [1.0, 0.0]]))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.7])
def test_alpha_interpolates_from_content_to_style(alpha: float) -> None:
    features, style = torch.randn(1, 4, 6, 6), random_style(4)
    wanted = (1 - alpha) * features + alpha * adain(features, style)
    torch.testing.assert_close(target(features, [style], alpha=alpha), wanted, rtol=1e-4, atol=1e-5)


def test_the_content_statistics_can_be_given() -> None:
    features, stats = torch.randn(1, 4, 8, 8), random_style(5)
    expected = (features - stats.mean) / stats.std * 2 + 1
    style = Statistics(torch.ones(1, 4, 1, 1), torch.full((1, 4, 1, 1), 2.0))
    torch.testing.assert_close(target(features, [style], content_stats=[stats]), expected, rtol=1e-4, atol=1e-4)
    same = target(features, [style], content_stats=content_statistics(features))
    torch.testing.assert_close(same, target(features, [style]))


def test_joined_statistics_are_those_of_the_batch() -> None:
    features = torch.rand(3, 4, 5, 6)
    joined = join([channel_statistics(features[:1]), channel_statistics(features[1:])])
    for part, whole in zip(joined, channel_statistics(features), strict=True):
        torch.testing.assert_close(part, whole)
