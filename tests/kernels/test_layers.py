"""The layers of all networks against torch's own operations."""

from __future__ import annotations

import pytest
import torch

from adain.functional.statistics import EPS, channel_statistics
from adain.kernels.layers import doubled_conv2d, max_pool


@pytest.mark.parametrize(("height", "width"), [(1, 2), (5, 4)])
def test_a_doubled_convolution_equals_the_separate_steps(height: int, width: int) -> None:
    """Values and gradients agree to rounding in float64 and to 1e-4 in float32."""
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
    """Contiguous and permuted maps take different paths; float32 agrees to 1e-5, even with a large mean."""
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
def test_pooling_matches_torch_bit_for_bit(height: int, width: int, ceil_mode: bool) -> None:
    x = torch.randn(2, 3, height, width)
    wanted = torch.nn.functional.max_pool2d(x, 2, ceil_mode=ceil_mode)
    assert torch.equal(max_pool(x, ceil_mode), wanted)
    learning = x.requires_grad_()
    assert torch.equal(max_pool(learning, ceil_mode), wanted)
    max_pool(learning, ceil_mode).sum().backward()
    assert learning.grad is not None
    assert learning.grad.sum().item() == wanted.numel()
