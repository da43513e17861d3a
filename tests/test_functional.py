from __future__ import annotations

import numpy as np
import torch

from adain.functional import EPS, Statistics, adain, channel_statistics


def test_statistics_are_the_population_ones_per_sample_and_channel() -> None:
    features = torch.randn(3, 5, 4, 6) * 3 + 1
    mean, std = channel_statistics(features)
    array = features.numpy().astype(np.float64).reshape(3, 5, -1)
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
    """Swapping mean and std, or content and style, fails here."""
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


def test_one_style_serves_a_batch_and_the_dtype_stays() -> None:
    style = Statistics(torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    out = adain(torch.randn(4, 3, 8, 8, dtype=torch.bfloat16), style)
    assert out.shape == (4, 3, 8, 8)
    assert out.dtype == torch.bfloat16


def test_a_flat_channel_gives_no_nan() -> None:
    style = channel_statistics(torch.ones(1, 2, 4, 4))
    assert torch.isfinite(adain(torch.ones(1, 2, 4, 4), style)).all()
