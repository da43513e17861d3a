"""Export of a decoder that belongs to the other encoder, whose pooling drops rows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from adain.inference import export
from adain.inference.export import StyleGraph, TransferGraph, card, compare, write_onnx, write_safetensors
from adain.nn.adain import StyleTransfer
from adain.nn.decoder import Decoder, Trained, load_decoder
from adain.nn.encoder import CONVOLUTIONS, Encoder
from adain.runtime.errors import InputError

_KEYS = (0, 2, 5, 7, 10, 12, 14, 16, 19)
_CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512)


@pytest.fixture(scope="module")
def torchvision_encoder() -> Encoder:
    """The architecture with random weights: torchvision's file is half a gigabyte."""
    torch.manual_seed(1)
    state = {}
    for index, key in enumerate(_KEYS[: len(CONVOLUTIONS)]):
        inputs, outputs = _CHANNELS[index : index + 2]
        state[f"features.{key}.weight"] = torch.randn(outputs, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
        state[f"features.{key}.bias"] = torch.randn(outputs) * 0.1
    return Encoder.from_state("vgg19_torchvision", state)


@pytest.fixture(scope="module")
def trained() -> Trained:
    torch.manual_seed(2)
    return Trained(Decoder([8, 12, 16]).eval(), "vgg19_torchvision")


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (40, 41)])
def test_the_output_has_the_contents_size(
    size: tuple[int, int], torchvision_encoder: Encoder, trained: Trained
) -> None:
    picture = torch.rand(1, 3, *size)
    with torch.inference_mode():
        network = StyleTransfer(torchvision_encoder, trained.decoder)
        made = network(picture, [network.encode_style(torch.rand(1, 3, 30, 20))])
    assert made.shape == picture.shape


def test_a_graph_is_of_the_version_that_the_oldest_runtime_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    written: list[int] = []
    model = SimpleNamespace(ir_version=10)
    program = SimpleNamespace(model=model, save=lambda path, **_: written.append(model.ir_version))
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: program)
    export._write_graph(torch.nn.Identity(), tmp_path / "x.onnx", {}, [], {})
    assert written == [9]  # onnxruntime 1.17's


@pytest.mark.slow  # 15 s: torch.export
def test_it_becomes_graphs_too(torchvision_encoder: Encoder, trained: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    found = write_onnx(torchvision_encoder, trained, tmp_path)
    assert {difference.graph for difference in found} == {"style_encoder", "transfer"}
    paths = tmp_path / "style_encoder.onnx", tmp_path / "transfer.onnx"
    other = StyleTransfer(torchvision_encoder, Decoder([8, 12, 16]).eval())
    wrong = compare(StyleGraph(other).eval(), TransferGraph(other).eval(), *paths)
    assert max(d.largest for d in wrong if d.graph == "transfer") > 1e-2


def test_the_encoder_comes_back_from_safetensors(trained: Trained, tmp_path: Path) -> None:
    write_safetensors(trained, tmp_path / "decoder.safetensors", "a run")
    back = load_decoder(tmp_path / "decoder.safetensors")
    assert back.encoder == "vgg19_torchvision"
    assert back.decoder.widths == (8, 12, 16)


def test_a_file_without_metadata_is_the_normalized_encoders(trained: Trained, tmp_path: Path) -> None:
    save_file(trained.decoder.state_dict(), tmp_path / "plain.safetensors")
    assert load_decoder(tmp_path / "plain.safetensors").encoder == "vgg19_normalized"


def test_an_unknown_encoder_is_a_users_message(trained: Trained, tmp_path: Path) -> None:
    save_file(trained.decoder.state_dict(), tmp_path / "new.safetensors", {"encoder": "vgg99"})
    with pytest.raises(InputError, match=r"new\.safetensors belongs to the unknown encoder 'vgg99'"):
        load_decoder(tmp_path / "new.safetensors")


def test_the_card_gives_each_decoder_its_own_license_and_pictures(trained: Trained) -> None:
    reference, shipped, own = (card(trained, source, []) for source in ("reference", "shipped", "runs/a.ckpt"))
    assert "license: MIT (naoto0804/pytorch-AdaIN)\n" in reference
    assert "license: MIT (naoto0804/pytorch-AdaIN, trained on by this project)\n" in shipped
    assert "MIT" not in own
    assert ["non-commercial research" in text for text in (reference, shipped, own)] == [False, True, False]
    assert all("torchvision's VGG-19" in text for text in (reference, shipped, own))
