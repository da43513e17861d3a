"""Generated pictures, determined by their names: for tests and for a first run without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from adain.data.sources import IndexedSource


class SyntheticSource(IndexedSource):
    """Pictures of colored shapes (``content``) or of waves in two colors (``style``).

    Args:
        kind: ``"content"`` or ``"style"``.
        count: Number of pictures.
        names: Used by ``subset``.
    """

    def __init__(self, kind: str, count: int = 16, names: Sequence[str] | None = None) -> None:
        self.kind = kind
        super().__init__([f"{kind}_{index:04d}" for index in range(count)] if names is None else names)

    def read(self, name: str, at_least: int) -> Image.Image:
        """See ``IndexedSource``. The picture is a square of side ``at_least``, determined by its name."""
        random = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:8]))
        return (_shapes if self.kind == "content" else _waves)(random, at_least)

    def subset(self, names: Sequence[str]) -> SyntheticSource:
        """See ``IndexedSource``."""
        return SyntheticSource(self.kind, names=names)


def _shapes(random: np.random.Generator, side: int) -> Image.Image:
    picture = Image.new("RGB", (side, side), _color(random))
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y = random.integers(0, side, 2).tolist()
        w, h = random.integers(side // 8 + 1, side // 2 + 2, 2).tolist()
        (draw.ellipse if random.random() < 0.5 else draw.rectangle)((x, y, x + w, y + h), fill=_color(random))
    return picture


def _waves(random: np.random.Generator, side: int) -> Image.Image:
    ramp = np.arange(side) / side
    x, y = np.meshgrid(ramp, ramp)
    waves = np.zeros((side, side))
    for _ in range(3):
        fx, fy = random.uniform(-12, 12, 2)
        waves += np.sin(2 * np.pi * (fx * x + fy * y + random.random()))
    share = ((waves - waves.min()) / (np.ptp(waves) + 1e-9))[..., None]
    low, high = np.array(_color(random)), np.array(_color(random))
    return Image.fromarray((low + share * (high - low)).astype(np.uint8))


def _color(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue
