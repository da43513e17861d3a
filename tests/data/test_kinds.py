"""The data choices of the configuration become the right sources with all their limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adain.data import kinds
from adain.data.hub import HubSource
from adain.data.picture import PictureError
from adain.data.sources import FolderSource
from adain.data.synthetic import SyntheticSource

PAIRS: dict[str, Any] = {
    "batch_size": 1, "resize": 24, "crop": 16, "flip": 0.0, "val_size": 16, "val_pairs": 1, "num_workers": 0, "seed": 0,
}  # fmt: skip


def test_contents_and_styles_of_folders_each_with_all_limits(tmp_path: Path) -> None:
    sizes = {"small": (17, 17), "large": (60, 60), "good": (30, 30), "other": (30, 30)}
    for kind in ("content", "style"):
        (tmp_path / kind).mkdir()
        for name, size in sizes.items():
            Image.new("RGB", size).save(tmp_path / kind / f"{kind}_{name}.png")
    (tmp_path / "held.txt").write_text("content_other.png\nstyle_other.png\n")
    data = kinds.folders(
        str(tmp_path / "content"), str(tmp_path / "style"), str(tmp_path / "held.txt"), 1000, 20, None, **PAIRS
    )
    for kind, source in (("content", data.content), ("style", data.style)):
        assert isinstance(source, FolderSource)
        assert source.names == sorted(str(tmp_path / kind / f"{kind}_{name}.png") for name in sizes)
        for name, reason in (("small", "below 20 pixels"), ("large", "over max_pixels=1000")):
            with pytest.raises(PictureError, match=reason):
                source.read(str(tmp_path / kind / f"{kind}_{name}.png"), 16)
    data.setup()
    assert [[Path(name).name for name in pair] for pair in data.held_out.names] == [
        ["content_other.png", "style_other.png"]
    ]


def test_contents_and_styles_of_a_hub_each_with_all_limits() -> None:
    content, style = {"path": "a/b", "revision": "1" * 40}, {"path": "c/d", "column": "painting"}
    data = kinds.hub(content, style, buffer=7, max_pixels=1000, min_side=20, **PAIRS)
    for own, source in ((content, data.content), (style, data.style)):
        assert isinstance(source, HubSource)
        assert source.given.items() >= {**own, "buffer": 7, "max_pixels": 1000, "min_side": 20}.items()


def test_made_up_pictures_are_of_both_kinds() -> None:
    data = kinds.synthetic(3, **PAIRS)
    for kind, source in (("content", data.content), ("style", data.style)):
        assert isinstance(source, SyntheticSource)
        assert source.names == [f"{kind}_{index:04d}" for index in range(3)]
