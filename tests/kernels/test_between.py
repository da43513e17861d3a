"""The GPU's kernels against torch's own operations, run by Triton's interpreter on a CPU (``tests/conftest.py``)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import weighted_total
from adain.kernels import between as module
from adain.kernels.between import Resize, between, channel_moments
from adain.kernels.chain import Link, convolve_chain
from adain.kernels.layers import mean_std
from adain.methods.adain import AdaINMethod
from adain.nn.decoder import Decoder, load_decoder
from adain.nn.encoder import LAYERS, STYLE_LAYERS, Encoder
from adain.runtime.schema import Norm
from tests.helpers.between import CASES, separately

pytest.importorskip("triton", reason="Triton is not installed here")
LAST = torch.channels_last


@pytest.fixture
def by_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let maps on a CPU take the GPU's way."""
    monkeypatch.setattr(module, "_DEVICES", {"cpu"})


@pytest.mark.parametrize(("shape", "biased", "rectify", "resize", "border", "ceil_mode"), CASES)
def test_values_and_derivatives_are_those_of_the_separate_steps(
    shape: tuple[int, int, int], biased: bool, rectify: bool, resize: Resize, border: int, ceil_mode: bool
) -> None:
    """Values agree to the bit, and so do both gradients but for the order of sums."""
    torch.manual_seed(0)
    y = torch.randn(2 if shape[1] < 3 else 1, *shape, requires_grad=True)
    bias = torch.randn(shape[0], requires_grad=True) if biased else None
    expected = separately(y, bias, rectify, resize, border, ceil_mode)
    found, _ = between(y, bias, rectify, resize, border, ceil_mode)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=LAST)
    weights = torch.randn_like(expected)
    learning = [y] if bias is None else [y, bias]
    of_found = torch.autograd.grad(found, learning, weights)
    assert of_found[0].is_contiguous(memory_format=LAST)
    torch.testing.assert_close(of_found, torch.autograd.grad(expected, learning, weights), rtol=1e-5, atol=1e-5)


def test_of_equal_numbers_the_first_gets_the_gradient_as_in_torch() -> None:
    y = torch.tensor([1.0, 2.0, 0.5])[torch.randint(0, 3, (1, 2, 6, 8))].requires_grad_()
    weights = torch.rand(1, 2, 3, 4)
    gradients = [
        torch.autograd.grad(steps(y, None, True, "pool", 0), y, weights)[0]
        for steps in (separately, lambda *given: between(*given)[0])
    ]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("resize", ["keep", "pool", "double"])
def test_what_is_no_number_stays_none(resize: Resize) -> None:
    """A kernel's maximum would drop it, and a diverged training would go on unseen."""
    y = torch.zeros(1, 1, 4, 4)
    y[0, 0, 1, 1] = torch.nan
    found, _ = between(y, None, True, resize)
    assert torch.equal(found.isnan(), separately(y, None, True, resize, 1).isnan())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_are_rounded_once(dtype: torch.dtype) -> None:
    """Bias and ReLU are computed in float32; the map and its gradient are rounded when they are written.

    To bfloat16 the interpreter rounds towards zero, so that one unit of the last place is allowed.
    """
    torch.manual_seed(0)
    unit = 0.0 if dtype == torch.float16 else torch.finfo(dtype).eps
    y = torch.randn(1, 4, 3, 5).to(dtype).requires_grad_()
    bias = torch.randn(4, requires_grad=True)
    exact = y.detach().float().requires_grad_()
    expected = separately(exact, bias, True, "keep", 1)
    found, _ = between(y, bias, True)
    torch.testing.assert_close(found, expected.to(dtype), rtol=unit, atol=0)
    weights = torch.randn_like(expected).to(dtype)
    of_y, of_bias = torch.autograd.grad(found, (y, bias), weights)
    of_exact, of_exact_bias = torch.autograd.grad(expected, (exact, bias), weights.float())
    torch.testing.assert_close(of_y, of_exact.to(dtype), rtol=unit, atol=0)
    assert of_bias.dtype == torch.float32
    torch.testing.assert_close(of_bias, of_exact_bias)


def test_statistics_come_with_the_map_and_their_derivative_with_its_own() -> None:
    """One kernel adds the statistics' gradient to that of the padded map before ReLU's mask."""
    torch.manual_seed(0)
    y, bias = torch.randn(2, 5, 4, 70, requires_grad=True), torch.randn(5, requires_grad=True)
    found, moments = between(y, bias, True, eps=1e-5)
    assert moments is not None
    expected = separately(y, bias, True, "keep", 1)
    variance, mean = torch.var_mean(F.relu(y + bias[:, None, None]), (2, 3), correction=0, keepdim=True)
    plain = (expected, mean, (variance + 1e-5).sqrt())
    torch.testing.assert_close((found, *moments), plain)
    weights = [torch.randn_like(part) for part in plain]
    torch.testing.assert_close(
        torch.autograd.grad((found, *moments), (y, bias), weights),
        torch.autograd.grad(plain, (y, bias), weights),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 70, 3, 2), (1, 1, 1, 1)])
def test_a_small_deviation_under_a_large_mean_keeps_its_digits(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of squares in float32 would have none left: they are near 1e6, and the variance is below 0.1."""
    monkeypatch.setattr(module, "_ROWS", 2)  # so that small maps are merged in several turns
    torch.manual_seed(0)
    features = (1e3 + 0.3 * torch.randn(shape)).to(memory_format=LAST)
    variance, mean = torch.var_mean(features.double(), (2, 3), correction=0, keepdim=True)
    found = channel_moments(features, 0.0)
    torch.testing.assert_close(found[0].double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(found[1].double(), variance.sqrt(), rtol=1e-3, atol=1e-6)


def test_statistics_of_a_part_of_a_map(by_kernels: None) -> None:
    """The map without its border, or some samples of a batch, are read in place."""
    features = torch.randn(3, 4, 7, 6).to(memory_format=LAST).requires_grad_()
    weights = torch.randn(2, 4, 1, 1)
    part = features[1:, :, 1:-1, 1:-1]
    variance, mean = torch.var_mean(part, (2, 3), correction=0, keepdim=True)
    expected, found = (mean, (variance + 1e-5).sqrt()), mean_std(part, 1e-5)
    torch.testing.assert_close(found, expected)
    both = [torch.autograd.grad((weights * (a + b * b)).sum(), features)[0] for a, b in (expected, found)]
    torch.testing.assert_close(*both, rtol=1e-4, atol=1e-6)


QUICK = ("test_schema", "test_faketensor")
ALL = (*QUICK, "test_autograd_registration", "test_aot_dispatch_dynamic")


@pytest.mark.parametrize("checks", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("resize", "eps"), [("keep", 1e-5), ("pool", None), ("double", None)])
def test_it_is_a_proper_operator(resize: Resize, eps: float | None, checks: tuple[str, ...]) -> None:
    """Schema, shapes and strides without data, derivative, and tracing, by torch's own checks."""
    y, bias = torch.randn(1, 2, 3, 4, requires_grad=True), torch.randn(2, requires_grad=True)
    torch.library.opcheck(torch.ops.adain.between.default, (y, bias, True, resize, 1, True, eps), test_utils=checks)


@pytest.mark.slow
def test_the_statistics_are_a_proper_operator() -> None:
    torch.library.opcheck(torch.ops.adain.channel_moments.default, (torch.randn(2, 3, 5, 4, requires_grad=True), 1e-5))


def test_a_map_that_cannot_be_reflected_is_refused() -> None:
    with pytest.raises(ValueError, match="1 x 5 pixels cannot be reflected by 1"):
        between(torch.zeros(1, 1, 1, 5), None, True)
    with pytest.raises(ValueError, match="resize is 'pool'"):
        between(torch.zeros(1, 1, 4, 4), None, True, "pool", eps=1e-5)


def test_second_derivatives_are_refused() -> None:
    y = torch.randn(1, 2, 3, 3, requires_grad=True)
    (once,) = torch.autograd.grad(between(y, None, True)[0].square().sum(), y, create_graph=True)
    with pytest.raises(RuntimeError):
        once.sum().backward()


# --- networks ---------------------------------------------------------------------------------------------------------


def small_encoder(padding: str = "reflect", ceil_mode: bool = True) -> Encoder:
    torch.manual_seed(0)
    widths = (3, 4, 4, 5, 5, 6, 6, 6, 6, 7)
    convolutions = [
        (torch.randn(outside, inside, 3, 3) / (3 * inside**0.5), torch.randn(outside) / 9)
        for inside, outside in pairwise(widths)
    ]
    return Encoder(convolutions, (0.1, 0.2, 0.3), padding, ceil_mode)


def test_an_encoder_gives_the_same_statistics_and_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, picture = small_encoder(), torch.rand(1, 3, 9, 10, requires_grad=True)

    def run() -> list[Tensor]:
        features, statistics = encoder.extract_statistics(picture)
        assert list(statistics) == list(STYLE_LAYERS)
        results = [features, *(part for parts in statistics.values() for part in parts)]
        return [*results, *torch.autograd.grad([result.square().mean() for result in results], picture)]

    expected = run()
    monkeypatch.setattr(module, "_DEVICES", {"cpu"})
    torch.testing.assert_close(run(), expected, rtol=1e-4, atol=1e-5)


class Chain(torch.nn.Module):
    """Two convolutions with pooling between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight, self.bias = torch.nn.Parameter(torch.randn(2, 2, 3, 3)), torch.nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor) -> Tensor:
        links = [Link(self.weight, self.bias, resize="pool"), Link(self.weight, self.bias, eps=1e-5)]
        *_, last = convolve_chain(x, links)
        assert last.resized is not None
        assert last.moments is not None
        return last.resized + sum(last.moments)


def test_a_compiler_sees_the_operators_and_an_exporter_none(by_kernels: None) -> None:
    chain, x = Chain(), torch.rand(1, 2, 4, 6)
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, given: list[Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return graph.forward

    found = torch.compile(chain, backend=backend, fullgraph=True)(x)
    torch.testing.assert_close(found, chain(x))
    exported = torch.export.export(chain, (x,)).graph_module
    assert len(graphs) == 1
    for graph, number in ((graphs[0], 3), (exported, 0)):
        assert sum("adain" in str(node.target) for node in graph.graph.nodes if node.op == "call_function") == number


@pytest.mark.slow
@pytest.mark.parametrize(("padding", "ceil_mode"), [("reflect", True), ("constant", False)])
def test_an_encoder_gives_the_same_features(padding: str, ceil_mode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers or some, with and without a gradient, with both kinds of padding."""
    encoder, picture = small_encoder(padding, ceil_mode), torch.rand(1, 3, 21, 18, requires_grad=True)

    def run() -> list[Tensor]:
        every = encoder.extract_features(picture, LAYERS)
        assert list(every) == list(LAYERS)
        with torch.no_grad():
            some = encoder.extract_features(picture, ["relu2_1", "pool2"])
        (gradient,) = torch.autograd.grad([features.square().mean() for features in every.values()], picture)
        return [*every.values(), *some.values(), gradient]

    expected = run()
    monkeypatch.setattr(module, "_DEVICES", {"cpu"})
    torch.testing.assert_close(run(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("start", "norm"), [("relu3_1", "batch"), pytest.param("relu4_1", "none", marks=pytest.mark.slow)]
)
def test_a_decoder_gives_the_same_pictures_and_gradients(
    start: str, norm: Norm, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    decoder = Decoder((4, 5, 6)[: 2 if start == "relu3_1" else 3], start=start, norm=norm)
    features = torch.rand(1, decoder.convolution(decoder.plan[0]).in_channels, 2, 3)

    def run() -> list[Tensor]:
        picture = decoder(features)
        gradients = torch.autograd.grad(picture.square().mean(), list(decoder.parameters()))
        return [picture, torch.cat([gradient.flatten() for gradient in gradients])]

    expected = run()
    monkeypatch.setattr(module, "_DEVICES", {"cpu"})
    for one, other in zip(run(), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * other.abs().max().item())


@pytest.mark.slow
def test_a_whole_step_gives_the_same_losses_and_gradients(by_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real networks, at the smallest size: relative 1e-4. tests/gpu holds 16 bits against the plain step."""
    torch.manual_seed(0)
    method = AdaINMethod(init="random")
    method.decoder.load_state_dict(load_decoder("shipped").decoder.state_dict())
    content, style = torch.rand(2, 1, 3, 9, 9)

    def step() -> tuple[Tensor, Tensor]:
        terms, _ = method.losses(content, style)
        loss = weighted_total(terms, method.weights)
        gradients = torch.autograd.grad(loss, list(method.decoder.parameters()))
        return torch.stack(list(terms.values())), torch.cat([gradient.flatten() for gradient in gradients])

    terms, gradient = step()
    monkeypatch.setattr(module, "_DEVICES", set())
    plain_terms, plain_gradient = step()
    torch.testing.assert_close(terms, plain_terms, rtol=1e-4, atol=1e-6)
    assert (gradient - plain_gradient).norm() <= 1e-4 * plain_gradient.norm()
