"""What reaches the renderer of what is asked of a video, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("av", reason="needs the extra video")

from adain.functional.statistics import Statistics
from adain.inference.video.clip import stylize_video
from tests.helpers.clips import Copy, moving, write

STYLE = torch.zeros(3, 16, 16)


class Noting(Copy):
    """Keeps what it is given. A style encoded in a content's colors is the mean of these."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def encode_style(self, style: Any, recolor: Any = None) -> Any:
        self.encoded += 1
        mean = torch.full((1, 3, 1, 1), -1.0) if recolor is None else recolor.mean.float().view(1, 3, 1, 1)
        return [Statistics(mean, mean) for _ in style]

    def stylize(self, content: torch.Tensor, **options: Any) -> torch.Tensor:
        self.asked.append({"content": content, **options})
        return content


def test_everything_in_one_request(tmp_path: Path) -> None:
    source, renderer = write(tmp_path / "in.mp4", moving(2), audio=None), Noting()
    given: dict[str, Any] = {
        "alpha": 1.5, "weights": [2.0, 1.0], "masks": [torch.ones(48, 64), torch.zeros(48, 64)], "extrapolate": True,
        "tile": 128, "preserve_color": "luminance",
    }  # fmt: skip
    stylize_video(renderer, source, tmp_path / "out.mp4", [STYLE, STYLE], **given)
    for asked in renderer.asked:
        assert len(asked["styles"]) == 2
        assert {key: asked[key] for key in given} == given
    assert len(renderer.asked) == 2


def test_frames_of_one_batch_are_recolored_each_by_its_own_scene(tmp_path: Path) -> None:
    """Of two scenes in one batch; the styles are encoded anew for the second."""
    levels = [(200, 40, 40), (200, 40, 40), (40, 60, 220), (40, 60, 220)]
    frames = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    source, renderer = write(tmp_path / "in.mp4", frames, audio=None), Noting()
    report = stylize_video(
        renderer, source, tmp_path / "out.mp4", [STYLE], preserve_color="coral", batch_size=4, temporal=0.5
    )
    (asked,) = renderer.asked
    ((mean, _),) = asked["styles"]
    for index, frame in enumerate(asked["content"]):
        torch.testing.assert_close(mean[index].flatten(), frame.float().mean((1, 2)) / 255, atol=0.01, rtol=0)
    assert renderer.encoded == report.scenes == 2
    assert asked["preserve_color"] == "none"  # the colors are in the styles already


def test_the_quality_is_the_one_asked_for_in_vp9_too(tmp_path: Path) -> None:
    source, sizes = write(tmp_path / "in.mp4", moving(4), audio=None), []
    for crf in (4, 40):
        stylize_video(Copy(), source, tmp_path / "out.webm", [STYLE], crf=crf)
        sizes.append((tmp_path / "out.webm").stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]


def test_the_change_from_frame_to_frame_is_of_neighbors_in_any_batches(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", moving(7), audio=None)
    found = [stylize_video(Copy(), source, tmp_path / "out.mp4", [STYLE], batch_size=size).change for size in (1, 3, 7)]
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert found[2] == pytest.approx(found[0], rel=1e-6)


@pytest.mark.parametrize("size", [(48, 64), (64, 48)])
def test_the_shorter_side_is_reduced_and_never_enlarged(size: tuple[int, int], tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", moving(2, size), audio=None)
    for side, wanted in ((24, (size[0] // 2, size[1] // 2)), (48, size), (60, size)):
        report = stylize_video(Copy(), source, tmp_path / "out.mp4", [STYLE], side=side)
        assert (report.width, report.height) == wanted
