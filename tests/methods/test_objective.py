"""What each system minimizes: the sum of its terms times its weights, computed here by hand in double precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from adain.functional.patches import style_swap
from adain.methods.adain import AdaINMethod
from adain.methods.base import TrainedMethod
from adain.methods.gatys import Gatys
from adain.methods.style_swap import StyleSwap
from adain.methods.texture_network import TextureNetwork
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS, Encoder

Array = npt.NDArray[np.float64]
CONTENT, STYLE, TV, IDENTITY = 2.0, 7.0, 3.0, 5.0  # no two alike, none a default


@pytest.fixture(autouse=True)
def _one_encoder(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once."""
    monkeypatch.setattr(Encoder, "load", lambda name, path=None: encoder)
    torch.manual_seed(0)


def lively(network: nn.Module) -> None:
    """Weights whose pictures differ with what the network is given, by about as much as its other terms do."""
    for weight in network.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight)


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def squares(a: Array, b: Array) -> float:
    return float(((a - b) ** 2).mean())


def variation(picture: Tensor) -> float:
    """Of neighbors, down and across."""
    x = array(picture)
    return float((np.diff(x, axis=2) ** 2).mean() + (np.diff(x, axis=3) ** 2).mean())


def statistics(features: Array) -> tuple[Array, Array]:
    return features.mean((2, 3), keepdims=True), np.sqrt(features.var((2, 3), keepdims=True) + 1e-5)


def style_distance(encoder: Encoder, output: Tensor, style: Tensor, layers: tuple[str, ...] = STYLE_LAYERS) -> float:
    """Means and deviations, averaged over channels, summed over layers."""
    found, wanted = encoder.extract_features(output), encoder.extract_features(style)
    pairs = [(statistics(array(found[name])), statistics(array(wanted[name]))) for name in layers]
    return sum(squares(m, n) + squares(s, t) for (m, s), (n, t) in pairs)


def step(method: TrainedMethod, content: Tensor, style: Tensor) -> dict[str, Any]:
    """A training step, as Lightning asks for it: its loss, what is logged of it, and the pictures that it is of."""
    loss = method.training_step({"content": content, "style": style}, 0)  # type: ignore[typeddict-item]
    return {"loss": loss, "output": method.losses(content, style)[1], **method.last_losses()}


def compare(found: dict[str, Any], wanted: dict[str, tuple[float, float]]) -> None:
    """Terms with what they are by hand, and the loss with their sum; of each name its weight and its value."""
    for name, (_, value) in wanted.items():
        assert found[f"train/{name}"].item() == pytest.approx(value, rel=1e-4), name
    total = sum(weight * found[f"train/{name}"].item() for name, (weight, _) in wanted.items())
    assert found["loss"].item() == found["train/loss"].item() == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("transfer", ["adain", "concat"])
def test_adain(pictures: Tensor, transfer: Any) -> None:
    method = AdaINMethod(
        transfer=transfer,
        widths=[4, 6, 8],
        content_weight=CONTENT,
        style_weight=STYLE,
        tv_weight=TV,
        identity_weight=IDENTITY,
    )
    lively(method.decoder)
    content, style = pictures, pictures.flip(0) ** 2
    found = step(method, content, style)
    own, other = method.encoder(content), method.encoder(style)
    (mean, std), (mean_s, std_s) = statistics(array(own)), statistics(array(other))
    aim = std_s * (array(own) - mean) / std + mean_s
    given = torch.cat([own, other], 1) if transfer == "concat" else torch.from_numpy(aim).float()
    same = torch.cat([own, own], 1) if transfer == "concat" else own
    with torch.no_grad():
        output = method.decoder(given)
        restored = method.decoder(same)
    torch.testing.assert_close(found["output"], output, rtol=1e-4, atol=1e-5)
    wanted = {
        "content": (CONTENT, squares(array(method.encoder(output)), aim)),
        "style": (STYLE, style_distance(method.encoder, output, style)),
        "tv": (TV, variation(output)),
        "identity": (IDENTITY, squares(array(restored), array(content))),
    }
    compare(found, wanted)
    assert all(term.requires_grad for term in method.losses(content, style)[0].values())
    if transfer == "concat":
        torch.testing.assert_close(method.stylize(content, style), output.clamp(0, 1), rtol=1e-4, atol=1e-5)


def test_texture_network(pictures: Tensor, tmp_path: Path) -> None:
    painting = tmp_path / "painting.png"
    pixels = (np.random.default_rng(0).random((40, 48, 3)) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(painting)
    method = TextureNetwork(
        str(painting),
        style_size=None,
        measure="statistics",
        width=4,
        blocks=1,
        content_weight=CONTENT,
        style_weight=STYLE,
        tv_weight=TV,
    )
    lively(method.generator)
    method.init_weights(lambda count: pytest.fail("a texture network needs no pictures to start"))
    found = step(method, pictures, pictures)
    style = torch.from_numpy(pixels / 255).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        output = method.generator(pictures)
    wanted = {
        "content": (CONTENT, squares(array(method.encoder(output)), array(method.encoder(pictures)))),
        "style": (STYLE, style_distance(method.encoder, output, style.expand(2, -1, -1, -1))),
        "tv": (TV, variation(output)),
    }
    compare(found, wanted)


def test_style_swap(pictures: Tensor) -> None:
    """Its style is looked at, not trained for; its variation is that of all it inverts."""
    method = StyleSwap(widths=[4, 6], tv_weight=TV).train()
    lively(method.decoder)
    content, style = pictures, pictures.flip(0) ** 2
    found = step(method, content, style)
    own, other = (method.encoder.extract_features(picture, ["relu3_1"])["relu3_1"] for picture in (content, style))
    with torch.no_grad():
        targets = torch.cat([own, other, style_swap(own, other)])
        output = method.decoder(targets)
    wanted = {
        "content": (
            1.0,
            squares(array(method.encoder.extract_features(output, ["relu3_1"])["relu3_1"]), array(targets)),
        ),
        "style": (0.0, style_distance(method.encoder, output[4:], style, STYLE_LAYERS[:3])),
        "tv": (TV, variation(output)),
    }
    compare(found, wanted)


def variation_gradient(picture: Tensor) -> Array:
    """Of ``variation``: each pixel is pulled by its two neighbors on either axis."""
    x = array(picture)
    gradient = np.zeros_like(x)
    for axis in (2, 3):
        difference = np.diff(x, axis=axis)
        ends = [(1, 1) if axis == other else (0, 0) for other in range(4)]
        gradient -= np.diff(np.pad(2 * difference / difference.size, ends), axis=axis)
    return gradient


@pytest.mark.parametrize("weights", [(CONTENT, STYLE, TV), (CONTENT, 0.0, TV), (0.0, STYLE, TV)])
def test_gatys_follows_the_gradient_of_the_sum(
    encoder: Encoder, pictures: Tensor, weights: tuple[float, float, float]
) -> None:
    """The first iteration of L-BFGS goes against the gradient, by a length of 1 (L1 norm)."""
    content, style = pictures[:1, :, :32, :32], pictures[1:, :, :32, :32]
    start = 0.3 + 0.4 * torch.rand(content.shape)
    method = Gatys(
        encoder,
        measure="statistics",
        initial=start,
        iterations=1,
        content_weight=weights[0],
        style_weight=weights[1],
        tv_weight=weights[2],
        progress=False,
    )
    first, last = method.iterate(content, style)
    assert first.terms["tv"] == pytest.approx(variation(start), rel=1e-5)
    pixels = start.clone().requires_grad_()
    found, wanted = encoder.extract_features(pixels), encoder.extract_features(style)
    losses = weights[0] * (found[BOTTLENECK] - encoder(content)).square().mean()
    for name in STYLE_LAYERS:
        for moment in (lambda x: x.mean((2, 3)), lambda x: (x.var((2, 3), correction=0) + 1e-5).sqrt()):
            losses = losses + weights[1] * (moment(found[name]) - moment(wanted[name])).square().mean()
    (gradient,) = torch.autograd.grad(losses, pixels)
    total = array(gradient) + weights[2] * variation_gradient(start)
    np.testing.assert_allclose(array(last.picture - start), -total / np.abs(total).sum(), rtol=1e-3, atol=1e-7)
