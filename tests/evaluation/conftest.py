"""Small pictures in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def draw_folders(root: Path) -> Path:
    """``content/`` with three pictures of 64 x 48 and ``style/`` with two red ones of 48 x 56."""
    random = np.random.default_rng(0)
    for kind, count, size in (("content", 3, (64, 48)), ("style", 2, (48, 56))):
        (root / kind).mkdir()
        for index in range(count):
            colours = random.random((5, 6, 3)) * (1 if kind == "content" else (1.0, 0.2, 0.1))  # red styles
            coarse = Image.fromarray((colours * 255).astype(np.uint8))
            coarse.resize(size, Image.Resampling.BICUBIC).save(root / kind / f"{kind[0]}{index}.png")
    return root


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See ``draw_folders``."""
    return draw_folders(tmp_path_factory.mktemp("pictures"))
