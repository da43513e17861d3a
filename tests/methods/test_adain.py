from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.methods.adain import AdaINMethod
from adain.methods.optimizers import lr_factor, lr_scale
from adain.nn.decoder import Decoder, load_decoder
from adain.nn.encoder import STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError
from tests.helpers.networks import RELUS, published_network, reference_network, torchvision_state
from tests.helpers.tensors import sample_pair, smooth_tensor


@pytest.fixture(scope="module")
def method() -> AdaINMethod:
    built = AdaINMethod(init="reference")
    built.init_weights(lambda count: pytest.fail("the reference start needs no pictures"))
    return built


def unbiased(features: Tensor) -> tuple[Tensor, Tensor]:
    """The reference port's statistics."""
    flat = features.flatten(2)
    return flat.mean(2)[..., None, None], (flat.var(2) + 1e-5).sqrt()[..., None, None]


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_parity_with_the_reference_port_on_real_pictures(method: AdaINMethod, alpha: float) -> None:
    """An independent pipeline of published modules; under 1e-3 in [0, 1]."""
    content, style = sample_pair(160)
    encode, decode = published_network(), reference_network()
    with torch.no_grad():
        c, s = encode(content), encode(style)
        (mean_c, std_c), (mean_s, std_s) = unbiased(c), unbiased(s)
        target = (c - mean_c) / std_c * std_s + mean_s
        wanted = decode(alpha * target + (1 - alpha) * c).clamp(0, 1)
        found = method.stylize(content, style, alpha)
    assert (found - wanted).abs().max().item() < 1e-3


def test_the_identity_loss_with_an_encoder_that_rounds_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """44 is not a multiple of 8: that encoder alone would give back 40 x 40, and the loss would miss four rows."""
    encoder = Encoder.from_state("vgg19_torchvision", torchvision_state())
    monkeypatch.setattr(Encoder, "load", lambda name, path: encoder)
    method = AdaINMethod(encoder="vgg19_torchvision", widths=[4, 6, 8], identity_weight=1.0)
    content, style = smooth_tensor(1, 44, 44), smooth_tensor(2, 44, 44)
    with torch.no_grad():
        terms, output = method.losses(content, style)
        restored = method.decoder(encoder(F.pad(content, (0, 4, 0, 4), mode="reflect")))
    assert output.shape == restored.shape == (1, 3, 48, 48)
    assert terms["identity"].item() == pytest.approx(F.mse_loss(restored[..., :44, :44], content).item(), rel=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_loss_terms_against_an_independent_formula(method: AdaINMethod, reduction: str) -> None:
    content, style = sample_pair(64)
    with torch.no_grad():
        method.style_reduction = reduction
        terms, output = method.losses(content, style)
        method.style_reduction = "mean"

        def taps(picture: Tensor) -> dict[str, np.ndarray[Any, Any]]:
            found, x = {}, picture
            for index, module in enumerate(published_network(), 1):
                x = module(x)
                found |= {name: x[0].double().numpy() for name, position in RELUS.items() if position == index}
            return found

        wanted, got, own = taps(style), taps(output), taps(content)["relu4_1"]

    def mean_std(x: np.ndarray[Any, Any]) -> tuple[Any, Any]:
        return x.mean((1, 2), keepdims=True), np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)

    (mu, sigma), (mu_s, sigma_s) = mean_std(own), mean_std(wanted["relu4_1"])
    target = sigma_s * (own - mu) / sigma + mu_s
    assert terms["content"].item() == pytest.approx(((got["relu4_1"] - target) ** 2).mean(), rel=1e-5)
    for name in wanted:
        (m1, s1), (m2, s2) = mean_std(got[name]), mean_std(wanted[name])
        per_channel = (m1 - m2) ** 2 + (s1 - s2) ** 2
        expected = per_channel.mean() if reduction == "mean" else per_channel.sum()
        assert terms[f"style/{name}"].item() == pytest.approx(expected, rel=1e-5)


def test_output_size_is_the_contents(method: AdaINMethod) -> None:
    with torch.no_grad():
        assert method.stylize(torch.rand(2, 3, 41, 50), torch.rand(1, 3, 64, 33)).shape == (2, 3, 41, 50)


def test_alpha_zero_reconstructs(method: AdaINMethod) -> None:
    style, content = sample_pair(128, 5)
    with torch.no_grad():
        plain, full = method.stylize(content, style, 0.0), method.stylize(content, style, 1.0)
    assert F.mse_loss(plain, content) < 0.5 * F.mse_loss(full, content)
    assert F.mse_loss(plain, content) < 0.3 * content.var()


def test_an_encoded_style_serves_again(method: AdaINMethod, pictures: Tensor) -> None:
    with torch.no_grad():
        style = method.encode_style(pictures[:1])
        torch.testing.assert_close(method.stylize(pictures, style), method.stylize(pictures, pictures[:1]))


def test_only_the_decoder_learns(method: AdaINMethod, pictures: Tensor) -> None:
    terms, _ = method.losses(pictures, pictures.flip(0))
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert {name.split(".")[0] for name, _ in method.named_parameters()} == {"decoder"}
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in method.parameters())
    method.zero_grad()


def test_optional_terms_come_only_when_weighted(pictures: Tensor) -> None:
    always = {"content", *(f"style/{name}" for name in STYLE_LAYERS)}
    for given, more in (({}, set()), ({"tv_weight": 0.5}, {"tv"}), ({"identity_weight": 2.0}, {"identity"})):
        with torch.no_grad():
            terms, _ = AdaINMethod(widths=[4, 6, 8], **given).losses(pictures, pictures)
        assert set(terms) == always | more


def test_bf16_losses_are_float32_and_near(method: AdaINMethod, pictures: Tensor) -> None:
    with torch.no_grad():
        plain, _ = method.losses(pictures, pictures.flip(0))
        with torch.autocast("cpu", torch.bfloat16):
            mixed, _ = method.losses(pictures, pictures.flip(0))
    for name, term in mixed.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(plain[name].item(), rel=0.1)


def test_init_from_a_decoder_of_other_widths_or_encoder_is_refused(tmp_path: Path) -> None:
    torch.save(Decoder([8, 16, 32]).state_dict(), tmp_path / "narrow.pth")
    with pytest.raises(InputError, match="widths"):
        AdaINMethod(init=str(tmp_path / "narrow.pth")).init_weights(lambda count: pytest.fail("no pictures"))
    state = {f"decoder.{key}": value for key, value in Decoder().state_dict().items()}
    torch.save(
        {"state_dict": state, "hyper_parameters": {"encoder": "vgg19_torchvision"}, "method": "adain"},
        tmp_path / "v.ckpt",
    )
    with pytest.raises(InputError, match="encoder"):
        AdaINMethod(init=str(tmp_path / "v.ckpt")).init_weights(lambda count: pytest.fail("no pictures"))


def test_init_from_a_path_takes_its_weights(tmp_path: Path, method: AdaINMethod) -> None:
    torch.save(load_decoder("reference").decoder.state_dict(), tmp_path / "ours.pth")
    fresh = AdaINMethod(init=str(tmp_path / "ours.pth"))
    fresh.init_weights(lambda count: pytest.fail("no pictures"))
    assert torch.equal(fresh.decoder.conv4_1.weight, method.decoder.conv4_1.weight)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(InputError, match="mean, sum"):
        AdaINMethod(style_reduction="median")  # type: ignore[arg-type]


def test_another_methods_checkpoint_is_refused(method: AdaINMethod) -> None:
    with pytest.raises(InputError, match="gatys"):
        method.on_load_checkpoint({"method": "gatys"})


def test_learning_rates_over_steps() -> None:
    assert lr_factor("inverse_time", 20_000, 160_000, 5e-5) == pytest.approx(0.5)
    assert lr_factor("constant", 99, 100, 0) == 1
    assert [lr_factor("linear", step, 100, 0) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert [lr_factor("cosine", step, 100, 0) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "batch", "reference", "factor"),
    [("none", 64, 8, 1.0), ("linear", 64, 8, 8.0), ("sqrt", 32, 8, 2.0), ("linear", 4, 8, 0.5), ("sqrt", 8, 8, 1.0)],
)
def test_the_rate_grows_with_the_batch_as_asked(rule: str, batch: int, reference: int, factor: float) -> None:
    assert lr_scale(rule, batch, reference) == pytest.approx(factor)  # type: ignore[arg-type]
