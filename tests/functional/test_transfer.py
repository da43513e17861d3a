from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adain.functional.transfer import (
    EPS,
    Statistics,
    adain,
    channel_statistics,
    doubled_conv2d,
    gram,
    max_pool,
    mix,
    own_statistics,
    regions,
    style_swap,
    target,
)


def test_statistics_are_the_population_ones_per_sample_and_channel() -> None:
    features = torch.randn(3, 5, 4, 6) * 3 + 1
    mean, std = channel_statistics(features)
    array = features.numpy().astype(np.float64).reshape(3, 5, -1)
    np.testing.assert_allclose(mean.numpy().reshape(3, 5), array.mean(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(std.numpy().reshape(3, 5), np.sqrt(array.var(-1) + EPS), rtol=1e-5)


def test_statistics_are_the_same_where_the_kernels_of_the_cpu_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, in a compiler and in an exporter; a small map shows that the variance is not the unbiased one."""
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


def brute_swap(content: np.ndarray, style: np.ndarray, size: int, stride: int) -> np.ndarray:  # type: ignore[type-arg]
    """Chen & Schmidt patch by patch: cosine of every pair, the best laid down, overlaps averaged."""
    height, width = content.shape[1:]
    bottom, right = ((stride - (side - size) % stride) % stride for side in (height, width))
    content = np.pad(content, ((0, 0), (0, bottom), (0, right)), mode="edge")
    total, count = np.zeros_like(content), np.zeros(content.shape[1:])
    palette = [
        style[:, y : y + size, x : x + size]
        for y in range(0, style.shape[1] - size + 1, stride)
        for x in range(0, style.shape[2] - size + 1, stride)
    ]
    for y in range(0, content.shape[1] - size + 1, stride):
        for x in range(0, content.shape[2] - size + 1, stride):
            patch = content[:, y : y + size, x : x + size]
            cosines = [(patch * q).sum() / (np.linalg.norm(patch) * np.linalg.norm(q)) for q in palette]
            total[:, y : y + size, x : x + size] += palette[int(np.argmax(cosines))]
            count[y : y + size, x : x + size] += 1
    return (total / count)[:, :height, :width]


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (3, 3), (2, 1), (1, 1)])
@pytest.mark.parametrize("budget", [1, 2**20])
def test_style_swap_against_brute_force(size: int, stride: int, budget: int) -> None:
    """One style patch at a time or all at once; sides that the stride does not divide."""
    random = torch.Generator().manual_seed(size * 10 + stride)
    content = torch.rand(2, 5, 9, 8, generator=random) - 0.3
    style = torch.rand(2, 5, 7, 10, generator=random) * torch.rand(1, 1, 7, 10, generator=random) * 4
    found = style_swap(content, style, size, stride, budget)
    for index in range(2):
        wanted = brute_swap(content[index].double().numpy(), style[index].double().numpy(), size, stride)
        np.testing.assert_allclose(found[index].numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_style_swap_is_the_transposed_convolution_of_the_choice() -> None:
    """As the paper writes it: one convolution, arg max, one transposed convolution, overlaps averaged."""
    random = torch.Generator().manual_seed(3)
    content, style = torch.rand(1, 6, 10, 9, generator=random), torch.rand(1, 6, 8, 8, generator=random)
    patches = F.unfold(style, 3)[0].T.reshape(-1, 6, 3, 3)
    scores = F.conv2d(content, patches / patches.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
    choice = F.one_hot(scores.argmax(1), len(patches)).permute(0, 3, 1, 2).float()
    wanted = F.conv_transpose2d(choice, patches) / F.conv_transpose2d(torch.ones(1, 1, 8, 7), torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(style_swap(content, style), wanted)


def test_swapping_a_picture_with_itself_changes_nothing() -> None:
    content = torch.rand(1, 6, 10, 9)
    torch.testing.assert_close(style_swap(content, content), content)


def test_one_style_serves_a_batch_of_swaps() -> None:
    content, style = torch.rand(3, 4, 6, 6), torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(style_swap(content, style), style_swap(content, style.expand(3, -1, -1, -1)))


# --- several styles, regions ----------------------------------------------------------------------------------------


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


def test_statistics_of_a_region_are_those_of_its_places_alone() -> None:
    features, inside = torch.randn(1, 4, 7, 9), torch.rand(7, 9) > 0.6
    chosen = features[0, :, inside].double().numpy()
    mean, std = channel_statistics(features, region=inside.float()[None, None])
    np.testing.assert_allclose(mean.flatten().numpy(), chosen.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(std.flatten().numpy(), np.sqrt(chosen.var(1) + EPS), rtol=1e-4)


def test_each_region_is_stylized_by_itself_as_in_the_authors_code() -> None:
    """The places of a mask are cut out, normalized by their own statistics, and put back."""
    features, left = torch.randn(1, 4, 8, 10), torch.zeros(8, 10, dtype=torch.bool)
    left[:, :4] = True
    styles = [random_style(1), random_style(2)]
    wanted = torch.empty_like(features)
    for inside, style in ((left, styles[0]), (~left, styles[1])):
        wanted[0, :, inside] = adain(features[0, :, inside][None, :, :, None], style)[0, :, :, 0]
    shares = regions(torch.stack([left, ~left]).float()[None])
    torch.testing.assert_close(target(features, styles, shares=shares), wanted, rtol=1e-4, atol=1e-4)


def test_a_place_that_no_mask_covers_keeps_its_features() -> None:
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


def test_a_style_of_weight_nothing_covers_nothing() -> None:
    shares = regions(torch.ones(1, 2, 1, 2) * torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), [0.0, 1.0])
    torch.testing.assert_close(shares[0, :, 0], torch.tensor([[0.0, 0.0], [1.0, 0.0]]))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.7])
def test_alpha_goes_along_the_line_from_content_to_style(alpha: float) -> None:
    features, style = torch.randn(1, 4, 6, 6), random_style(4)
    wanted = (1 - alpha) * features + alpha * adain(features, style)
    torch.testing.assert_close(target(features, [style], alpha=alpha), wanted, rtol=1e-4, atol=1e-5)


def test_the_contents_statistics_may_be_given() -> None:
    features, own = torch.randn(1, 4, 8, 8), random_style(5)
    wanted = (features - own.mean) / own.std * 2 + 1
    style = Statistics(torch.ones(1, 4, 1, 1), torch.full((1, 4, 1, 1), 2.0))
    torch.testing.assert_close(target(features, [style], own=[own]), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(target(features, [style], own=own_statistics(features)), target(features, [style]))


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
