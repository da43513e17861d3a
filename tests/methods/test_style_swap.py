from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import style_loss
from adain.functional.patches import style_swap
from adain.functional.statistics import channel_statistics
from adain.methods.style_swap import StyleSwap
from adain.nn.encoder import Encoder
from adain.runtime.errors import InputError
from tests.helpers.networks import torchvision_state
from tests.helpers.tensors import sample_pair


@pytest.fixture(scope="module")
def method() -> StyleSwap:
    """A real inverse network, fitted on four crops of two pictures."""
    torch.manual_seed(0)
    built = StyleSwap(widths=[32, 64], init="least_squares", start_patches=3000)
    content, style = sample_pair(128)
    built.init_weights(lambda count: (torch.cat([content, content.flip(3)]), torch.cat([style, style.flip(3)])))
    return built.eval()


def test_the_inverse_network_inverts(method: StyleSwap) -> None:
    style, content = sample_pair(96)  # a painting has more to invert than a wall
    restored = method.stylize(content, style, alpha=0.0)
    assert F.mse_loss(restored, content) < 0.5 * content.var(), "1 is a gray picture"
    assert F.mse_loss(method.stylize(content, content), restored) < 1e-4, "a picture's own patches change nothing"


def test_size_and_range(method: StyleSwap) -> None:
    found = method.stylize(torch.rand(2, 3, 41, 50), torch.rand(1, 3, 64, 33))
    assert found.shape == (2, 3, 41, 50)
    assert 0 <= found.min() <= found.max() <= 1


def test_an_encoded_style_serves_again(method: StyleSwap, pictures: Tensor) -> None:
    style = method.encode_style(pictures[:1])
    torch.testing.assert_close(method.stylize(pictures, style), method.stylize(pictures, pictures[:1]))


def test_alpha_blends_the_features(method: StyleSwap) -> None:
    content, style = sample_pair(64)
    with torch.no_grad():
        own, other = (method.encoder.extract_features(x, ["relu3_1"])["relu3_1"] for x in (content, style))
        wanted = method.decoder(0.7 * own + 0.3 * style_swap(own, other)).clamp(0, 1)
    torch.testing.assert_close(method.stylize(content, style, 0.3), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_loss_is_the_error_of_the_inverted_activations(method: StyleSwap, training: bool) -> None:
    """Published: real and swapped activations in training; the swapped alone are what held-out figures say."""
    content, style = sample_pair(64)
    method.train(training)
    with torch.no_grad():
        terms, output = method.losses(content, style)
        own, other = (method.encoder.extract_features(x, ["relu3_1"])["relu3_1"] for x in (content, style))
        swap = style_swap(own, other)
        targets = [own, other, swap] if training else [swap]
        errors = [
            (method.encoder.extract_features(method.decoder(t), ["relu3_1"])["relu3_1"] - t).square().mean()
            for t in targets
        ]
        torch.testing.assert_close(output, method.decoder(swap), atol=1e-4, rtol=1e-4)
        for name in ("relu1_1", "relu2_1", "relu3_1"):  # of the swapped pictures alone
            found, wanted = (
                channel_statistics(method.encoder.extract_features(x, [name])[name]) for x in (output, style)
            )
            assert terms[f"style/{name}"].item() == pytest.approx(style_loss(found, wanted, "mean").item(), rel=1e-3)
    method.eval()
    assert terms["content"].item() == pytest.approx(sum(errors).item() / len(errors), rel=1e-4)  # type: ignore[union-attr]
    assert {"tv", "style/relu1_1", "style/relu2_1", "style/relu3_1"} <= set(terms)


def test_only_the_inverse_network_learns_and_not_from_style(method: StyleSwap, pictures: Tensor) -> None:
    assert {name.split(".")[0] for name, _ in method.named_parameters()} == {"decoder"}
    terms, _ = method.losses(pictures, pictures.flip(0))
    assert not terms["style/relu3_1"].requires_grad
    assert terms["content"].requires_grad


@pytest.mark.parametrize(("patch_size", "stride"), [(3, 4), (0, 1), (3, 0)])
def test_patches_that_leave_places_out_are_refused(patch_size: int, stride: int) -> None:
    with pytest.raises(InputError, match="do not cover"):
        StyleSwap(patch_size=patch_size, stride=stride)


def test_an_encoder_that_rounds_down_gives_pictures_of_the_contents_size(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.from_state("vgg19_torchvision", torchvision_state())
    monkeypatch.setattr(Encoder, "load", lambda name, path: encoder)
    method = StyleSwap(encoder="vgg19_torchvision", widths=[4, 6])
    assert method.stylize(torch.rand(1, 3, 45, 50), torch.rand(1, 3, 33, 38)).shape == (1, 3, 45, 50)
    _, output = method.losses(torch.rand(1, 3, 45, 45), torch.rand(1, 3, 45, 45))
    assert output.shape[-1] >= 45


def test_pictures_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(InputError, match="patch_size=9 is larger"):
        StyleSwap(patch_size=9).stylize(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 32, 32))
