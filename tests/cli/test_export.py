"""``make export``: files that other programs take, held to PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from adain.inference.stylizer import Stylizer
from adain.nn.decoder import load_decoder
from tests.helpers.pictures import smooth
from tests.helpers.runners import run_here

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("onnxscript", reason="the extra export is not installed")
run_onnx = import_module("adain.inference.run_onnx")


def call(*arguments: str) -> None:
    code, _, err = run_here("export", Path.cwd(), *arguments)
    assert code == 0, err


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a folder = ü")
    call("decoder=reference", f"out={folder / 'export'}", f"logs={tmp_path_factory.mktemp('logs')}")
    return folder / "export"


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", device="cpu")


def unit(image: Image.Image) -> np.ndarray:
    return (np.asarray(image, np.float32) / 255).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (64, 48), (101, 39)])
def test_the_graphs_are_the_stylizer(size: tuple[int, int], exported: Path, stylizer: Stylizer) -> None:
    content, style = smooth(1, size), smooth(2, (33, 57))
    style_encoder, transfer = (
        onnxruntime.InferenceSession(exported / f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in ("style_encoder", "transfer")
    )
    mean, std = style_encoder.run(None, {"picture": unit(style)})
    expected = stylizer.encode_style(style)
    assert np.abs(mean - expected.mean.numpy()).max() < 1e-3
    assert np.abs(std - expected.std.numpy()).max() < 1e-3
    for alpha in (0.0, 0.3, 1.0):
        feed = {"picture": unit(content), "mean": mean, "std": std, "alpha": np.array(alpha, np.float32)}
        (stylized,) = transfer.run(None, feed)
        assert stylized.shape == (1, 3, size[1], size[0])
        assert 0 <= stylized.min() <= stylized.max() <= 1
        wanted = unit(stylizer.stylize(content, style, alpha))
        assert np.abs(stylized - wanted).max() < 1e-3 + 0.5 / 255  # the Stylizer rounds to 8 bits


def test_a_batch_has_a_style_for_each(exported: Path) -> None:
    contents, styles = ([smooth(seed + i, (31, 22)) for i in range(3)] for seed in (1, 7))
    style_encoder, transfer = (
        onnxruntime.InferenceSession(exported / f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in ("style_encoder", "transfer")
    )
    statistics = style_encoder.run(None, {"picture": np.concatenate([unit(style) for style in styles])})
    alpha = np.array(0.8, np.float32)
    feed = {"picture": np.concatenate([unit(c) for c in contents]), "mean": statistics[0], "std": statistics[1]}
    (together,) = transfer.run(None, {**feed, "alpha": alpha})
    for i in range(3):
        one = {name: value[i : i + 1] for name, value in feed.items()}
        (alone,) = transfer.run(None, {**one, "alpha": alpha})
        assert np.abs(alone[0] - together[i]).max() < 1e-4
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_the_example_runs_without_torch(exported: Path, stylizer: Stylizer, tmp_path: Path) -> None:
    content, style = smooth(3, (45, 30)), smooth(4, (40, 40))
    content.save(tmp_path / "c.png")
    style.save(tmp_path / "s.png")
    blocked = "import sys; sys.modules['torch'] = None; sys.modules['adain'] = None; sys.argv = sys.argv[1:]; "
    script = blocked + "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    names = (str(tmp_path / name) for name in ("c.png", "s.png", "out.png"))
    done = subprocess.run(
        [sys.executable, "-c", script, str(exported / "run_onnx.py"), *names, "0.7"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    expected = np.asarray(stylizer.stylize(content, style, 0.7), int)
    assert np.abs(np.asarray(Image.open(tmp_path / "out.png"), int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("c.png", "usage: python run_onnx.py CONTENT STYLE OUT"),
        ("c.png c.png out.png 2", "alpha 2 cannot be used: give 0 .* to 1"),
        ("c.png c.png out.png nan", "alpha nan cannot be used"),
        ("gone.png c.png out.png", "gone.png cannot be read"),
        ("c.png c.png out.xyz", "out.xyz cannot be written .*: give another file, such as out.png"),
    ],
)
def test_a_mistake_with_the_example_is_one_sentence(
    words: str, said: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smooth(3, (20, 20)).save(tmp_path / "c.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS", str(exported))
    monkeypatch.setattr(sys, "argv", ["run_onnx.py", *words.split()])
    with pytest.raises(SystemExit, match=said):
        run_onnx.main()
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]


def test_the_example_says_which_graph_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["run_onnx.py", "a", "b", "c"])
    with pytest.raises(SystemExit, match="there is no .*style_encoder.onnx: set MODELS"):
        run_onnx.main()


def test_the_weights_come_back(exported: Path) -> None:
    before, after = load_decoder("reference"), load_decoder(exported / "decoder.safetensors")
    assert after.encoder == "vgg19_normalized"
    for name, tensor in before.decoder.state_dict().items():
        assert torch.equal(after.decoder.state_dict()[name], tensor)
    with safe_open(exported / "decoder.safetensors", framework="np") as file:
        noted = file.metadata()
    assert noted["encoder"] == "vgg19_normalized"
    assert noted["widths"] == "[64, 128, 256]"
    assert noted["source"] == "reference"
    assert noted["license"].startswith("MIT")


def test_the_card_says_what_it_is(exported: Path) -> None:
    text = (exported / "MODEL_CARD.md").read_text()
    for part in ("decoder: `reference`", "vgg19_normalized", "license: MIT", "transfer | 2 x 17 x 31", "run_onnx.py"):
        assert part in text


def test_nothing_else_is_left(exported: Path) -> None:
    names = {"decoder.safetensors", "style_encoder.onnx", "transfer.onnx", "MODEL_CARD.md", "run_onnx.py"}
    assert {path.name for path in exported.iterdir()} == names


def failed(*arguments: str) -> str:
    code, _, err = run_here("export", Path.cwd(), *arguments)
    assert code == 1
    return err


def test_safetensors_alone_needs_no_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    given = ("decoder=reference", f"out={tmp_path / 'out'}", f"logs={tmp_path}")
    said = failed(*given)
    assert "onnx=true needs the package onnx of the extra `export`, which is not installed" in said
    assert not (tmp_path / "out").exists()
    call(*given, "onnx=false")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"decoder.safetensors", "MODEL_CARD.md"}


@pytest.mark.parametrize("largest", [float("nan"), 0.5])
def test_a_graph_that_differs_is_not_written(largest: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands before and after it in the list."""
    from adain.inference import export

    fine = export.Difference("style_encoder", (1, 16, 16), 1e-6)
    wrong = export.Difference("transfer", (1, 16, 16), largest)
    monkeypatch.setattr(export, "compare", lambda *_: [fine, wrong, fine])
    monkeypatch.setattr(export, "_write_graph", lambda module, path, *_: path.write_bytes(b"graph"))
    said = failed("decoder=reference", f"out={tmp_path / 'out'}", f"logs={tmp_path}")
    assert f"transfer.onnx differs from PyTorch by {largest:.2g} at 1 x 16 x 16" in said
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_no_number_is_no_agreement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from adain.inference import export

    class Session:
        """The first graph's second output is not a number; the other is right."""

        def __init__(self, path: Path, providers: list[str]) -> None: ...

        def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            zero = np.zeros((1, 1), np.float32)
            return [feed["picture"]] if "mean" in feed else [zero, zero + np.nan]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    statistics = torch.zeros(1, 1), torch.zeros(1, 1)
    (graph := tmp_path / "graph.onnx").write_bytes(b"")
    found = export.compare(lambda style: statistics, lambda picture, *_: picture, graph, graph)  # type: ignore[arg-type]
    assert {(one.graph, str(one.largest)) for one in found} == {("style_encoder", "nan"), ("transfer", "0.0")}


def test_an_out_that_is_a_file_is_a_users_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = ("decoder=reference", f"out={tmp_path / 'file' / 'x'}", f"logs={tmp_path}")
    assert "cannot be made" in failed(*given)
