"""The Triton kernels as a GPU compiles them, against torch's own operations on the same GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import weighted_total
from adain.kernels import between as module
from adain.kernels.between import Resize, between, channel_moments
from adain.methods.adain import AdaINMethod
from adain.nn.decoder import load_decoder
from tests.helpers.between import CASES, separately
from tests.helpers.tensors import smooth_tensor

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: make test-gpu")]
LARGER: list[tuple[tuple[int, int, int], bool, bool, Resize, int, bool]] = [
    ((64, 65, 130), True, True, "keep", 1, True),
    ((3, 33, 40), True, False, "keep", 1, True),
    ((128, 31, 33), True, True, "pool", 1, True),
    ((130, 30, 33), True, True, "pool", 1, False),
    ((64, 17, 20), True, True, "double", 1, True),
    ((512, 9, 7), True, True, "keep", 0, True),
]


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Convolve in float32, not TF32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cudnn, "allow_tf32", False)
        yield


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("shape", "biased", "rectify", "resize", "border", "ceil_mode"), [*CASES, *LARGER])
def test_values_and_derivatives(
    shape: tuple[int, int, int],
    biased: bool,
    rectify: bool,
    resize: Resize,
    border: int,
    ceil_mode: bool,
    dtype: torch.dtype,
) -> None:
    """The separate steps run in float32 on the same numbers; what is written is rounded once."""
    torch.manual_seed(0)
    y = torch.randn(2, *shape, device="cuda").to(dtype).requires_grad_()
    bias = torch.randn(shape[0], device="cuda", requires_grad=True) if biased else None
    exactly = y.detach().float().requires_grad_()
    expected = separately(exactly, bias, rectify, resize, border, ceil_mode)
    found, _ = between(y, bias, rectify, resize, border, ceil_mode)
    assert torch.equal(found, expected.to(dtype))
    weights = torch.randn_like(expected).to(dtype)
    of_found = torch.autograd.grad(found, [y] if bias is None else [y, bias], weights)
    of_expected = torch.autograd.grad(expected, [exactly] if bias is None else [exactly, bias], weights.float())
    unit = 1e-5 if dtype == torch.float32 else torch.finfo(dtype).eps
    torch.testing.assert_close(of_found[0].float(), of_expected[0], rtol=unit, atol=1e-5)
    torch.testing.assert_close(of_found[1:], of_expected[1:], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("shape", [(2, 64, 65, 130), (1, 512, 32, 32), (3, 5, 300, 7)])
def test_statistics(shape: tuple[int, ...]) -> None:
    features = (100 + torch.randn(shape, device="cuda")).to(memory_format=torch.channels_last)
    variance, mean = torch.var_mean(features.double(), (2, 3), correction=0, keepdim=True)
    for found in (channel_moments(features, 0.0), between(features, None, False, eps=0.0)[1]):
        assert found is not None
        torch.testing.assert_close(found[0].double(), mean, rtol=1e-6, atol=0)
        torch.testing.assert_close(found[1].double(), variance.sqrt(), rtol=1e-4, atol=0)


def test_a_map_of_more_numbers_than_32_bits_count() -> None:
    y = torch.zeros(1, 64, 5800, 5800, dtype=torch.bfloat16, device="cuda").to(memory_format=torch.channels_last)
    y[..., -1, -2:] = 3
    padded, _ = between(y, None, True)
    assert padded[0, :, -2, -3:].eq(3).all()
    assert padded.sum(dtype=torch.float64).item() == 64 * (3 + 3 + 3)  # the last but one pixel is reflected too


def method() -> AdaINMethod:
    torch.manual_seed(0)
    method = AdaINMethod(init="random")
    method.decoder.load_state_dict(load_decoder("shipped").decoder.state_dict())
    return method.to("cuda", memory_format=torch.channels_last)


def gradient(method: AdaINMethod, pictures: Tensor, bf16: bool) -> Tensor:
    content, style = pictures
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        loss = weighted_total(method.losses(content, style)[0], method.weights)
    gradients = torch.autograd.grad(loss, list(method.decoder.parameters()))
    return torch.cat([gradient.float().flatten() for gradient in gradients])


def test_a_whole_step_gives_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 within 2e-4, as far as two layouts of the plain step are apart; bf16 as near to it as the plain bf16 step."""
    torch.manual_seed(0)
    network, pictures = method(), torch.rand(2, 2, 3, 64, 72, device="cuda")
    found, rounded = (gradient(network, pictures, bf16) for bf16 in (False, True))
    again = gradient(network, pictures, True)
    monkeypatch.setattr(module, "_DEVICES", set())
    expected, plainly_rounded = (gradient(network, pictures, bf16) for bf16 in (False, True))
    assert (found - expected).norm() <= 2e-4 * expected.norm()
    assert (rounded - expected).norm() <= 1.2 * (plainly_rounded - expected).norm()
    assert (rounded - again).norm() <= 1e-3 * again.norm()


def test_no_convolution_copies_its_input_to_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding by torch answers in channels first; that was a third of the step."""
    given: list[Tensor] = []
    convolve = F.conv2d

    def spy(x: Tensor, *rest: object, **options: object) -> Tensor:
        given.append(x)
        return convolve(x, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(F, "conv2d", spy)
    gradient(method(), smooth_tensor(0, 64, 64, 4).cuda().unflatten(0, (2, 2)), bf16=True)
    assert len(given) == 27
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in given)
