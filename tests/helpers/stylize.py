"""``make stylize`` in this process: what it is given and what it says."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from PIL import Image

from adain.inference.stylizer import Stylizer
from tests.helpers.runners import run_here

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


def call(*arguments: str) -> str:
    """What it prints."""
    code, out, err = run_here("stylize", Path.cwd(), *arguments)
    assert code == 0, err
    return out


def failed(*arguments: str) -> str:
    """What it says on stderr, where it must end with exit code 1."""
    code, _, err = run_here("stylize", Path.cwd(), *arguments)
    assert code == 1
    return err


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
