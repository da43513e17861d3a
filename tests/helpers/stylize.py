"""``make stylize`` in this process: what it is given and what it says."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adain.cli import stylize
from adain.inference.stylizer import Stylizer

EXISTING = "content=content.png", "style=style.png"
MIX = "content=content.png", "styles=[style.png,content.png]"

load = Stylizer.load  # as it is: a fixture replaces it


@functools.cache
def reference() -> Stylizer:
    return load("reference", device="cpu")


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


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
