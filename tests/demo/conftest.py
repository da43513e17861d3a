from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adain.demo.server import free_port, work_folder
from adain.demo.studio import Limits, Studio
from adain.stylize import Stylizer

SIDE = 96
LIMITS = Limits(max_bytes=2_000_000, max_pixels=8_000_000, side=SIDE, live_side=48)


@pytest.fixture(scope="session")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", "cpu")


@pytest.fixture
def studio(stylizer: Stylizer) -> Studio:
    return Studio(stylizer, LIMITS)


def draw(path: Path, seed: int, size: tuple[int, int] = (SIDE, 72)) -> Path:
    """A smooth picture that no other seed makes."""
    coarse = Image.new("RGB", (5, 4))
    coarse.putdata(
        [((seed * 71 + i * 37) % 256, (seed * 29 + i * 91) % 256, (seed * 113 + i * 53) % 256) for i in range(20)]
    )
    coarse.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@dataclass
class Served:
    url: str
    folder: Path
    studio: Studio
    page: Any


@pytest.fixture(scope="session")
def served(stylizer: Stylizer) -> Iterator[Served]:
    """The real server on a port of its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        pytest.importorskip("gradio", reason="the page needs the extra demo")
        from adain.demo.launch import start

        studio = Studio(stylizer, LIMITS)
        page = start(studio, "127.0.0.1", free_port("127.0.0.1", 0), folder, "reference")
        stack.callback(page.close, verbose=False)
        yield Served(page.local_url, folder, studio, page)
