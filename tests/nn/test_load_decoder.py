"""Decoders load from every kind of file that holds one; other files get a clear message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from adain.nn.decoder import SHIPPED, Decoder, load_decoder
from adain.nn.encoder import Encoder
from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError

WIDTHS = (4, 6, 8)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder(WIDTHS)


def checkpoint(decoder: Decoder, **more: Any) -> dict[str, Any]:
    """Return the checkpoint of a training run."""
    state = {f"decoder.{name}": value for name, value in decoder.state_dict().items()}
    return {"state_dict": state, "hyper_parameters": {"encoder": "vgg19_torchvision"}, "method": "adain", **more}


def same(one: Decoder, other: Decoder) -> bool:
    pairs: list[tuple[Tensor, Tensor]] = list(zip(one.parameters(), other.parameters(), strict=True))
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_shipped_decoder_is_close_to_the_published_one_it_was_trained_from(
    encoder: Encoder, pictures: Tensor
) -> None:
    shipped, reference = load_decoder("shipped"), load_decoder("reference")
    assert (shipped.encoder, SHIPPED.stat().st_size < 8_000_000) == ("vgg19_normalized", True)
    with torch.no_grad():
        features = encoder(pictures)
        ours, theirs = shipped.decoder(features), reference.decoder(features)
    assert ours.dtype == torch.float32
    assert 1e-3 < (ours - theirs).abs().mean() < 0.05


def test_the_reference_is_the_published_file() -> None:
    trained = load_decoder("reference")
    state = read_state(find("reference_decoder"))
    assert trained.encoder == "vgg19_normalized"
    assert torch.equal(trained.decoder.state_dict()["conv4_1.weight"], state["1.weight"])
    assert torch.equal(trained.decoder.state_dict()["conv1_1.bias"], state["28.bias"])


def test_the_published_file_may_be_given_by_its_path() -> None:
    assert same(load_decoder(find("reference_decoder")).decoder, load_decoder("reference").decoder)


def test_a_checkpoint_gives_its_decoder(decoder: Decoder, tmp_path: Path) -> None:
    torch.save(checkpoint(decoder), tmp_path / "best.ckpt")
    assert same(load_decoder(tmp_path / "best.ckpt").decoder, decoder)


def test_a_checkpoint_gives_its_encoder(decoder: Decoder, tmp_path: Path) -> None:
    torch.save(checkpoint(decoder), tmp_path / "best.ckpt")
    assert load_decoder(tmp_path / "best.ckpt").encoder == "vgg19_torchvision"


def test_only_the_decoder_of_a_larger_checkpoint_is_loaded(decoder: Decoder, tmp_path: Path) -> None:
    whole = checkpoint(decoder, optimizer_states=[{"state": {}}], global_step=3)
    whole["state_dict"]["other.weight"] = torch.zeros(1)
    torch.save(whole, tmp_path / "best.ckpt")
    assert same(load_decoder(tmp_path / "best.ckpt").decoder, decoder)


@pytest.mark.parametrize("name", ["decoder.pth", "decoder.safetensors"])
def test_a_bare_state_dict_gives_its_decoder(name: str, decoder: Decoder, tmp_path: Path) -> None:
    save = save_file if name.endswith("safetensors") else torch.save
    save(decoder.state_dict(), tmp_path / name)
    assert same(load_decoder(tmp_path / name).decoder, decoder)


def test_the_widths_come_from_the_file(decoder: Decoder, tmp_path: Path) -> None:
    torch.save(decoder.state_dict(), tmp_path / "decoder.pth")
    assert load_decoder(tmp_path / "decoder.pth").decoder.widths == WIDTHS


def test_a_path_may_begin_with_a_tilde(decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(decoder.state_dict(), tmp_path / "decoder.pth")
    assert load_decoder("~/decoder.pth").decoder.widths == WIDTHS


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"transformer.weight": torch.zeros(2)}, "method": "stytr2"}, tmp_path / "best.ckpt")
    with pytest.raises(InputError, match=r"best\.ckpt is a checkpoint of stytr2.*no AdaIN decoder"):
        load_decoder(tmp_path / "best.ckpt")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"0.weight": torch.zeros(3, 3, 1, 1), "2.weight": torch.zeros(64, 3, 3, 3)},  # an encoder
        {"conv4_1.weight": torch.zeros(8, 512, 3, 3)},  # layers are missing
        {"conv4_1.weight": 3},
        {"state_dict": {}},
        {"state_dict": {}, "hyper_parameters": None},
        {"state_dict": 3},
    ],
)
def test_a_file_without_a_decoder_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth"):
        load_decoder(tmp_path / "other.pth")


def test_layers_of_another_shape_are_no_decoder(decoder: Decoder, tmp_path: Path) -> None:
    torch.save(decoder.state_dict() | {"conv3_4.weight": torch.zeros(8, 9, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth holds no AdaIN decoder"):
        load_decoder(tmp_path / "other.pth")


@pytest.mark.parametrize("ablation", [{"transfer": "concat"}, {"norm": "batch"}, {"norm": "instance"}])
def test_an_ablation_is_no_plain_decoder(ablation: dict[str, str], decoder: Decoder, tmp_path: Path) -> None:
    torch.save(checkpoint(decoder, hyper_parameters=ablation), tmp_path / "best.ckpt")
    ((key, value),) = ablation.items()
    with pytest.raises(InputError, match=rf"best\.ckpt is a checkpoint of an ablation \({key}={value}\)"):
        load_decoder(tmp_path / "best.ckpt")


def test_random_bytes_are_no_decoder(tmp_path: Path) -> None:
    (tmp_path / "random.pth").write_bytes(torch.randint(256, (5000,), dtype=torch.uint8).numpy().tobytes())
    with pytest.raises(InputError, match=r"random\.pth"):
        load_decoder(tmp_path / "random.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.ckpt"):
        load_decoder(tmp_path / "missing.ckpt")
