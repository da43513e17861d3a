from __future__ import annotations

import numpy as np
import pytest
import torch

from adain.functional import EPS, Statistics, adain, channel_statistics, doubled_conv2d, max_pool


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


@pytest.mark.parametrize(("height", "width"), [(1, 2), (5, 4)])
def test_a_doubled_convolution_is_the_three_steps(height: int, width: int) -> None:
    """Values and gradients, in float64 to rounding and in float32 to 1e-4."""
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        generator = torch.Generator().manual_seed(3)
        tensors = [
            torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()
            for shape in ((2, 3, height, width), (4, 3, 3, 3), (4,))
        ]
        x, weight, bias = tensors
        large = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        wanted = torch.nn.functional.conv2d(torch.nn.functional.pad(large, (1, 1, 1, 1), mode="reflect"), weight, bias)
        found = doubled_conv2d(x, weight, bias)
        torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
        weights = torch.randn(wanted.shape, generator=generator, dtype=dtype)
        for a, b in zip(
            torch.autograd.grad((found * weights).sum(), tensors),
            torch.autograd.grad((wanted * weights).sum(), tensors),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_fast_statistics_have_the_values_and_gradients_of_var_mean() -> None:
    """Contiguous maps take another path than permuted ones; float32 within 1e-5, a large mean included."""
    x = (torch.randn(2, 5, 33, 20) + 40).requires_grad_()
    variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
    wanted = (mean, (variance + EPS).sqrt())
    for features in (x, x.contiguous(memory_format=torch.channels_last)):
        found = channel_statistics(features)
        torch.testing.assert_close(tuple(found), wanted, rtol=1e-5, atol=1e-5)
        (a,) = torch.autograd.grad(found.std.sum() + found.mean.square().sum(), x, retain_graph=True)
        (b,) = torch.autograd.grad(wanted[1].sum() + mean.square().sum(), x, retain_graph=True)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 6), (8, 5)])
@pytest.mark.parametrize("ceil_mode", [True, False])
def test_pooling_is_torch_s_to_the_bit(height: int, width: int, ceil_mode: bool) -> None:
    x = torch.randn(2, 3, height, width)
    wanted = torch.nn.functional.max_pool2d(x, 2, ceil_mode=ceil_mode)
    assert torch.equal(max_pool(x, ceil_mode), wanted)
    learning = x.requires_grad_()
    assert torch.equal(max_pool(learning, ceil_mode), wanted)
    max_pool(learning, ceil_mode).sum().backward()
    assert learning.grad is not None
    assert learning.grad.sum().item() == wanted.numel()
