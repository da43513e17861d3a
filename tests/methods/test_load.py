"""Any system from its name or its checkpoint, on one interface, and a sentence for everything that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from adain.data.picture import to_picture
from adain.methods.adain import AdaINMethod, StyleFeatures
from adain.methods.gatys import Gatys
from adain.methods.interface import CAPABILITIES, Capabilities, Method, known_method, require
from adain.methods.load import load_method
from adain.methods.style_swap import StyleSwap
from adain.nn.decoder import Decoder, load_decoder
from adain.runtime.errors import InputError
from adain.runtime.schema import MethodName
from tests.helpers.networks import SMALL, saved


@pytest.mark.parametrize("name", SMALL)
def test_every_trained_system_comes_back(name: str, tmp_path: Path, pictures: torch.Tensor) -> None:
    method, path = saved(name, tmp_path)
    for given in (None, method.method):
        loaded: Method[Any] = load_method(given, path, "cpu")
        assert loaded.method == method.method
        assert loaded.capabilities == method.capabilities  # type: ignore[attr-defined]
        style = loaded.encode_style(pictures[:1])
        assert not isinstance(style, torch.Tensor)
        found = loaded.stylize(pictures, style)
        assert found.shape == pictures.shape
        torch.testing.assert_close(found, method.stylize(pictures, pictures[:1]))  # type: ignore[operator]
        torch.testing.assert_close(found, loaded.stylize(pictures, pictures[:1]))


def test_gatys_needs_no_file(pictures: torch.Tensor) -> None:
    method = load_method("gatys", device="cpu", iterations=1, style_weight=None, progress=False)
    assert isinstance(method, Gatys)
    assert method.weights["style"] == 30
    assert method.stylize(pictures[:1], method.encode_style(pictures[1:])).shape == (1, 3, 48, 40)


def test_gatys_begins_with_any_picture(tmp_path: Path, pictures: torch.Tensor) -> None:
    to_picture(pictures[1]).save(tmp_path / "start.png")
    method = load_method("gatys", device="cpu", initial=str(tmp_path / "start.png"), progress=False)
    assert isinstance(method, Gatys)
    assert isinstance(method.initial, torch.Tensor)
    torch.testing.assert_close(method.initial, pictures[1:], atol=1 / 255, rtol=0)


@pytest.mark.parametrize("source", [None, "reference"])
def test_adain_is_the_published_decoder_by_default(source: str | None) -> None:
    method = load_method("adain", source, "cpu")
    assert isinstance(method, AdaINMethod)
    assert torch.equal(method.decoder.conv1_1.bias, load_decoder("reference").decoder.conv1_1.bias)
    assert not method.training


def test_a_bare_decoder_is_adains(tmp_path: Path) -> None:
    torch.save(Decoder([4, 6, 8]).state_dict(), tmp_path / "decoder.pth")
    method = load_method(checkpoint=tmp_path / "decoder.pth", device="cpu")
    assert isinstance(method, AdaINMethod)
    assert method.decoder.widths == (4, 6, 8)
    with pytest.raises(InputError, match="not a checkpoint of style_swap"):
        load_method("style_swap", tmp_path / "decoder.pth")


def test_patches_may_be_other_ones_than_in_training(tmp_path: Path) -> None:
    _, path = saved("style_swap", tmp_path)
    method = load_method("style_swap", path, "cpu", patch_size=5, stride=None)
    assert isinstance(method, StyleSwap)
    assert (method.patch_size, method.stride) == (5, 1)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("adian", {}, "choose one of adain, gatys"),
        ("gatys", {"checkpoint": "reference"}, "nothing to train"),
        ("texture_network", {}, "needs a checkpoint of its own"),
        ("style_swap", {}, "needs a checkpoint of its own"),
        ("gatys", {"iteration": 3}, "no option iteration"),
        ("gatys", {"initial": "contnt"}, "neither content, noise nor a picture"),
        ("adain", {"patch_size": 3}, "no option patch_size"),
        ("adain", {"checkpoint": "/gone.ckpt"}, "/gone.ckpt"),
    ],
)
def test_what_cannot_be_is_named(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_method(name, device="cpu", **given)


def test_another_systems_checkpoint_is_named(tmp_path: Path) -> None:
    _, path = saved("style_swap", tmp_path)
    with pytest.raises(InputError, match="is a checkpoint of style_swap, but adain is asked for"):
        load_method("adain", path, "cpu")
    torch.save({"state_dict": {}, "method": "stytr2"}, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="is of stytr2"):
        load_method(None, tmp_path / "other.ckpt", "cpu")
    torch.save({"state_dict": {}, "method": "style_swap", "hyper_parameters": {}}, tmp_path / "cut.ckpt")
    with pytest.raises(InputError, match="not a complete checkpoint"):
        load_method(None, tmp_path / "cut.ckpt", "cpu")


# --- what each can do -----------------------------------------------------------------------------------------------


def test_every_system_says_what_it_can() -> None:
    assert set(CAPABILITIES) == set(get_args(MethodName))
    assert [name for name, can in CAPABILITIES.items() if not can.any_style] == ["texture_network"]
    assert [name for name, can in CAPABILITIES.items() if not can.trained] == ["gatys"]


@pytest.mark.parametrize("name", CAPABILITIES)
@pytest.mark.parametrize("ability", Capabilities._fields)
def test_what_one_cannot_do_names_all_that_can(name: MethodName, ability: Any) -> None:
    if getattr(CAPABILITIES[name], ability):
        require(name, ability)
        return
    with pytest.raises(InputError) as caught:
        require(name, ability)
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    can_do = [other for other, can in CAPABILITIES.items() if getattr(can, ability)]
    assert message.partition(": use ")[2].split(" or ") == can_do


def test_concatenation_has_no_alpha(pictures: torch.Tensor) -> None:
    method = AdaINMethod(widths=[4, 6, 8], transfer="concat")
    assert isinstance(method.encode_style(pictures), StyleFeatures)
    with pytest.raises(InputError, match="this adain network has no strength"):
        method.stylize(pictures, pictures, 0.5)


def test_names_are_checked() -> None:
    assert known_method("gatys") == "gatys"
    with pytest.raises(InputError, match="adain, gatys, texture_network, style_swap"):
        known_method("gatis")


@pytest.mark.parametrize("given", [{}, {"measure": "statistics"}], ids=["as it is", "statistics"])
@pytest.mark.parametrize("name", SMALL)
def test_every_system_takes_the_layout_of_16_bit_arithmetic(name: str, given: dict[str, Any]) -> None:
    """A machine with bfloat16 lays every system out channels last, which torch refuses to tensors of five dimensions."""
    kind, own = SMALL[name]
    kind(**own, **(given if name == "texture_network" else {})).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("word", ["shipped", "best", "reference"])
def test_a_decoder_that_comes_along_is_loaded_by_its_word(word: str) -> None:
    method = load_method("adain", word, "cpu")
    for own, wanted in zip(method.decoder.parameters(), load_decoder(word)[0].parameters(), strict=True):  # type: ignore[attr-defined]
        torch.testing.assert_close(own, wanted.to(own.dtype), atol=0, rtol=0)
