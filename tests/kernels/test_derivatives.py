"""The hand-written derivatives against finite differences and against autograd of the plain steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import weighted_total
from adain.functional.statistics import channel_statistics
from adain.kernels import derivatives, layers
from adain.kernels.derivatives import ChannelMoments, DoubledConvolution, PaddedConvolution, ReflectedBorder, moments
from adain.kernels.layers import doubled_conv2d, padded_conv2d
from adain.methods.adain import AdaINMethod
from adain.nn.decoder import load_decoder

SIZES = ((2, 2), (2, 3), (5, 4))


@contextmanager
def plainly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute the separate steps, each derived by autograd."""
    with monkeypatch.context() as patched:
        patched.setattr(layers, "_on_plain_cpu", lambda _: False)
        yield


def double(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("mode", ["reflect", "constant"])
def test_padded_convolution_against_finite_differences(size: tuple[int, int], rectify: bool, mode: str) -> None:
    x, weight, bias = double(2, 3, *size), double(4, 3, 3, 3), double(4)
    assert torch.autograd.gradcheck(lambda *given: PaddedConvolution.apply(*given, mode, rectify), (x, weight, bias))
    frozen = weight.detach()
    assert torch.autograd.gradcheck(lambda given: PaddedConvolution.apply(given, frozen, None, mode, rectify), (x,))


@pytest.mark.parametrize("size", SIZES)
def test_doubled_convolution_against_finite_differences(size: tuple[int, int]) -> None:
    x, kernel, bias = double(2, 3, *size), double(3, 4, 4, 4), double(4)
    assert torch.autograd.gradcheck(DoubledConvolution.apply, (x, kernel, bias))
    assert torch.autograd.gradcheck(lambda given: DoubledConvolution.apply(given, kernel.detach(), None), (x,))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_kernels_derivative_by_phases(size: tuple[int, int], layout: torch.memory_format) -> None:
    """The path for 16 bits gives torch's gradient in float64."""
    padded = torch.randn(2, 3, size[0] + 2, size[1] + 2, dtype=torch.float64)
    gradient = torch.randn(2, 4, 2 * size[0], 2 * size[1], dtype=torch.float64).to(memory_format=layout)
    kernel = torch.randn(3, 4, 4, 4, dtype=torch.float64)
    expected = torch.nn.grad.conv2d_weight(gradient, kernel.shape, padded, stride=2, padding=3)
    torch.testing.assert_close(derivatives._by_phases(padded, kernel, gradient), expected)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-4), (torch.float16, 1e-4)])
def test_moments_are_those_of_the_same_numbers_in_float64(
    layout: torch.memory_format, dtype: torch.dtype, tolerance: float
) -> None:
    """Include means that are large against the deviation, where a single pass over sums of squares fails."""
    features = (20 + torch.randn(3, 5, 61, 67)).to(dtype).to(memory_format=layout)
    variance, mean = torch.var_mean(features.double(), dim=(2, 3), correction=0, keepdim=True)
    found = moments(features)
    for one, other in zip(found, (mean, variance), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=tolerance, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_the_derivative_of_statistics(dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.rand(2, 6, 9, 11).to(dtype).requires_grad_()
    factors = torch.rand(2, 2, 6, 1, 1)

    def derived() -> Tensor:
        mean, std = channel_statistics(features)
        (found,) = torch.autograd.grad((factors[0] * mean - factors[1] * std).sum(), features)
        return found.float()

    found = derived()
    with plainly(monkeypatch):
        expected = derived()
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_a_convolution_keeps_its_input_only_if_its_weights_learn() -> None:
    """Saving this memory is the purpose of the hand-written derivative."""
    x = torch.rand(1, 2, 4, 4, requires_grad=True)
    weight = torch.rand(2, 2, 3, 3)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        padded_conv2d(x, weight, None, rectify=True)
        assert sorted(tensor.numel() for tensor in kept) == [32, 36]  # the weights and the output
        kept.clear()
        padded_conv2d(x, weight.requires_grad_(), None, rectify=True)
        assert sorted(tensor.numel() for tensor in kept) == [32, 32, 36]
        assert any(tensor is x for tensor in kept)


def test_neither_is_used_without_gradients() -> None:
    x, weight = torch.rand(1, 2, 4, 4), torch.rand(2, 2, 3, 3)
    assert padded_conv2d(x, weight, None).grad_fn is None
    with torch.no_grad():
        assert doubled_conv2d(x, weight.requires_grad_(), None).grad_fn is None


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_whole_step_gives_the_same_losses_and_gradients(
    layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Float32 differs no more than the plain step does between memory layouts; bf16 no more than its rounding."""
    torch.manual_seed(0)
    method = AdaINMethod(init="random").to(memory_format=layout)
    method.decoder.load_state_dict(load_decoder("shipped").decoder.state_dict())  # a random one's pictures are flat
    content, style = torch.rand(2, 2, 3, 64, 72)

    def step(bf16: bool = False) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            terms, _ = method.losses(content, style)
            loss = weighted_total(terms, method.weights)
        gradients = torch.autograd.grad(loss, list(method.decoder.parameters()))
        assert {gradient.dtype for gradient in gradients} == {torch.float32}
        return torch.stack(list(terms.values())), torch.cat([gradient.flatten() for gradient in gradients])

    terms, gradient = step()
    rounded_terms, rounded_gradient = step(bf16=True)
    with plainly(monkeypatch):
        plain_terms, plain_gradient = step()
        _, plain_rounded_gradient = step(bf16=True)
    torch.testing.assert_close(terms, plain_terms, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(rounded_terms, plain_terms, rtol=3e-2, atol=1e-6)
    assert (gradient - plain_gradient).norm() <= 1e-3 * plain_gradient.norm()
    rounding = (plain_rounded_gradient - plain_gradient).norm()
    assert (rounded_gradient - plain_gradient).norm() <= 1.2 * rounding


def test_statistics_keep_only_the_features() -> None:
    features = torch.rand(1, 2, 4, 4, requires_grad=True)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ChannelMoments.apply(features, 1e-5)
    assert [tensor.numel() for tensor in kept] == [32, 2, 2]


def test_second_derivatives_are_refused() -> None:
    x = torch.rand(1, 2, 4, 4, requires_grad=True)
    (once,) = torch.autograd.grad(padded_conv2d(x, torch.rand(2, 2, 3, 3), None).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        once.sum().backward()


def test_reflection_padding_matches_torch() -> None:
    x = torch.rand(1, 2, 5, 4, requires_grad=True)
    weight = torch.rand(3, 2, 3, 3)
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight)
    torch.testing.assert_close(padded_conv2d(x, weight, None), expected)


@pytest.mark.parametrize("size", [(2, 2), (2, 3), (5, 4)])
def test_padding_stays_in_channels_last_in_value_and_derivative(size: tuple[int, int]) -> None:
    """torch's own does not, and then each convolution on a GPU copies its input."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size).to(memory_format=torch.channels_last).requires_grad_()
    expected, found = F.pad(x, (1, 1, 1, 1), mode="reflect"), ReflectedBorder.apply(x)
    assert torch.equal(found, expected)
    weights = torch.randn_like(expected, memory_format=torch.contiguous_format)
    (of_found,), (of_expected,) = (torch.autograd.grad(padded, x, weights) for padded in (found, expected))
    torch.testing.assert_close(of_found, of_expected)
    for one in (found, of_found):
        assert one.is_contiguous(memory_format=torch.channels_last)
        assert not one.is_contiguous()


def test_a_map_on_a_gpu_is_padded_in_channels_last() -> None:
    """Without its data: a meta tensor is on no CPU. A map that is channels first stays so."""
    x = torch.empty(2, 3, 5, 4, device="meta")
    weight, bias = torch.empty(6, 3, 3, 3, device="meta"), torch.empty(6, device="meta")
    for layout in (torch.channels_last, torch.contiguous_format):
        padded = derivatives.reflect(x.to(memory_format=layout))
        assert padded.shape == (2, 3, 7, 6)
        assert padded.is_contiguous(memory_format=layout)
        assert padded_conv2d(x.to(memory_format=layout), weight, bias, rectify=True).shape == (2, 6, 5, 4)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])  # compiles C++
def test_a_compiled_step_has_the_same_gradients_in_channels_last(backend: str) -> None:
    """A derivative whose memory layout the compiler mispredicts stops the step."""
    torch.manual_seed(0)
    given = [torch.randn(2, 8, 12, 10), torch.randn(4, 8, 3, 3), torch.randn(4)]
    given[:2] = [one.to(memory_format=torch.channels_last) for one in given[:2]]
    for one in given:
        one.requires_grad_()

    def step(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return doubled_conv2d(x.sin(), weight, bias, True).square().mean()

    expected = torch.autograd.grad(step(*given), given)
    found = torch.autograd.grad(torch.compile(step, backend=backend, fullgraph=True)(*given), given)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_whole_compiled_step_has_the_same_losses_and_gradients() -> None:
    """In one graph, as ``compile=true`` asks for."""
    torch.manual_seed(0)
    method = AdaINMethod(init="random", widths=(2, 3, 4)).to(memory_format=torch.channels_last)
    given = torch.rand(2, 1, 3, 16, 18)

    def step(losses: Callable[[Tensor, Tensor], tuple[dict[str, Tensor], Tensor]]) -> tuple[Tensor, ...]:
        loss = weighted_total(losses(*given)[0], method.weights)
        return (loss, *torch.autograd.grad(loss, list(method.decoder.parameters())))

    expected = step(method.losses)
    found = step(torch.compile(method.losses, backend="aot_eager", fullgraph=True))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2 * other.abs().max().item())
