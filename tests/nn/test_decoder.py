from __future__ import annotations

import pytest
import torch
from torch import nn

from adain.nn.decoder import Decoder, from_reference, layers, load_decoder
from adain.runtime.errors import InputError
from adain.runtime.schema import Norm
from tests.helpers.networks import reference_network


def test_equals_the_published_decoder() -> None:
    features = torch.randn(2, 512, 5, 4).relu()
    ours = load_decoder("reference").decoder(features)
    assert ours.shape == (2, 3, 40, 32)
    torch.testing.assert_close(ours, reference_network()(features), rtol=1e-4, atol=1e-5)


def test_the_plan_mirrors_the_encoder() -> None:
    assert [layer.target for layer in layers()] == [
        "pool3", "relu3_3", "relu3_2", "relu3_1", "pool2", "relu2_1", "pool1", "relu1_1", "picture",
    ]  # fmt: skip
    assert [layer.name for layer in layers() if layer.upsample] == ["conv4_1", "conv3_1", "conv2_1"]


def test_the_inverse_network_of_style_swap_mirrors_relu3_1() -> None:
    assert [layer.target for layer in layers("relu3_1")] == ["pool2", "relu2_1", "pool1", "relu1_1", "picture"]
    inverse = Decoder([64, 128], start="relu3_1")
    assert inverse(torch.rand(1, 256, 5, 4)).shape == (1, 3, 20, 16)
    with pytest.raises(InputError, match="two positive numbers"):
        Decoder(start="relu3_1")


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", nn.InstanceNorm2d)])
def test_every_hidden_relu_follows_a_normalization(norm: Norm, kind: type[nn.Module]) -> None:
    decoder = Decoder([4, 6, 8], norm=norm)
    found = [decoder.normalization(layer) for layer in decoder.plan]
    assert all(isinstance(module, kind) for module in found[:-1])
    assert found[-1] is None
    with torch.no_grad():
        hidden = decoder.apply_layer(decoder.plan[1], torch.rand(3, 8, 6, 6) * 9 + 5)
    assert hidden.mean(dim=(0, 2, 3)).max() < 0.6, "a rectified normal variable has a mean of 0.4"
    assert not decoder.plain


def test_two_copies_double_the_input_channels() -> None:
    decoder = Decoder([4, 6, 8], copies=2)
    assert decoder(torch.rand(1, 1024, 3, 3)).shape == (1, 3, 24, 24)
    assert not decoder.plain
    assert Decoder([4, 6, 8]).plain


def test_it_has_the_size_of_the_papers_decoder() -> None:
    assert sum(parameter.numel() for parameter in Decoder().parameters()) == 3_505_219


def test_other_widths() -> None:
    decoder = Decoder([8, 24, 48])
    assert decoder(torch.rand(1, 512, 3, 3)).shape == (1, 3, 24, 24)
    assert decoder.conv3_1.weight.shape == (24, 48, 3, 3)
    with pytest.raises(InputError, match="three positive numbers"):
        Decoder([8, 16])


def test_the_state_of_another_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"1\.weight"):
        from_reference({"0.weight": torch.zeros(1)})


@pytest.mark.parametrize(("height", "width"), [(2, 2), (5, 3)])
def test_fused_up_sampling_gives_the_same_numbers(height: int, width: int) -> None:
    """Compare to 1e-5 of the largest value; also run layer by layer, as the least-squares start does."""
    torch.manual_seed(0)
    decoder, features = Decoder(), torch.rand(2, 512, height, width)
    decoder.fused = False
    plain = decoder(features)
    decoder.fused = True
    torch.testing.assert_close(decoder(features), plain, rtol=0, atol=1e-5 * plain.abs().max().item())
    x = features
    for layer in decoder.plan:
        x = decoder.apply_layer(layer, x)
    torch.testing.assert_close(x, plain)
