from __future__ import annotations

import pytest
import torch

from adain.nn.encoder import CONVOLUTIONS, STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError
from tests.helpers.networks import RELUS, published_network, torchvision_state


@pytest.mark.parametrize("size", [(48, 40), (33, 50)])
def test_features_equal_the_published_network(encoder: Encoder, size: tuple[int, int]) -> None:
    """A missing layer, BGR for RGB, a wrong fold of the 1x1 convolution or floor-mode pooling would fail here."""
    picture = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    network = published_network()
    taps = encoder.extract_features(picture)
    assert list(taps) == list(STYLE_LAYERS)
    x = picture
    for index, module in enumerate(network, 1):
        x = module(x)
        for name, position in RELUS.items():
            if position == index:
                torch.testing.assert_close(taps[name], x, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(encoder(picture), x, rtol=1e-4, atol=1e-3)
    assert encoder(picture).shape[-2:] == (-(-size[0] // 8), -(-size[1] // 8))


def test_it_has_no_parameters_and_is_not_saved(encoder: Encoder) -> None:
    assert list(encoder.parameters()) == []
    assert encoder.state_dict() == {}
    assert sum(b.numel() for name, b in encoder.named_buffers() if name != "shift") == 3_505_740 - 12


def test_gradients_flow_through_it(encoder: Encoder) -> None:
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    encoder(picture).sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_torchvision_encoder_equals_torchvisions_vgg19() -> None:
    """Zero padding after subtracting the mean, ImageNet scale, floor-mode pooling."""
    vision = pytest.importorskip("torchvision")
    state = torchvision_state()
    features = vision.models.vgg19(weights=None).features[:21]
    features.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
    picture = torch.rand(2, 3, 37, 42)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wanted = features((picture - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
    torch.testing.assert_close(Encoder.from_state("vgg19_torchvision", state)(picture), wanted, rtol=1e-4, atol=1e-5)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="vgg19_normalized"):
        Encoder.load("vgg16")  # type: ignore[arg-type]


def test_widths_are_named(encoder: Encoder) -> None:
    assert [encoder.widths[f"relu{name}"] for name in CONVOLUTIONS] == [64, 64, 128, 128, 256, 256, 256, 256, 512]
