"""Where ``make stylize`` is tested: in this process, in a folder with two pictures."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from adain.commands import stylize
from adain.stylize import Stylizer

EXISTING = "content=content.png", "style=style.png"
MIX = "content=content.png", "styles=[style.png,content.png]"


_load = Stylizer.load


@functools.cache
def reference() -> Stylizer:
    return _load("reference", device="cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the command runs in, with two pictures; the networks are read once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    draw(tmp_path / "content.png")
    draw(tmp_path / "style.png", (64, 64))

    def load(decoder: str, device: str | None = None, precision: str = "32-true") -> Stylizer:
        return reference() if decoder == "reference" else _load(decoder, device="cpu")

    monkeypatch.setattr(Stylizer, "load", load)
    return tmp_path


class Copying:
    """Gives the content back: for tests that are about names alone. It keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.encoded = 0

    def encode_style(self, style: Image.Image) -> tuple[int, int]:
        self.encoded += 1
        return style.size

    def stylize(self, content: Image.Image, **options: Any) -> Image.Image:
        self.asked.append(options)
        return content


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> Copying:
    made = Copying()
    monkeypatch.setattr(Stylizer, "load", lambda decoder, device=None, precision="32-true": made)
    return made


def draw(path: Path, size: tuple[int, int] = (65, 47)) -> None:
    picture = Image.new("RGB", size, "navy")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((2, 2, size[0] * 2 // 3, size[1] * 2 // 3), fill="khaki")
    pen.line((0, 0, *size), fill="white", width=3)
    picture.save(path)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stylize", *arguments])
    stylize.main()


class Failed:
    """Calls the command, which must end with exit code 1, and gives what it said on stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            call(self.monkeypatch, *arguments)
        assert caught.value.code == 1
        return self.capsys.readouterr().err


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failed:
    return Failed(monkeypatch, capsys)


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
