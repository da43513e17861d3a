"""A run that was cut goes on, and makes what an unbroken one makes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="needs the extra video")

from adain.inference.video.clip import stylize_video
from adain.inference.video.parts import Parts
from adain.runtime.errors import UserError
from tests.helpers.clips import Dimming, audio_of, moving, planes_of, times_of, write

STYLE = [torch.zeros(3, 16, 16)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [(frame * (0.7 + 0.3 * (index % 2))).astype(np.uint8) for index, frame in enumerate(moving(150))]
    return write(tmp_path_factory.mktemp("clip") / "in.mp4", frames)


@pytest.fixture(scope="module")
def unbroken(clip: Path) -> Path:
    stylize_video(Dimming(), clip, clip.with_name("unbroken.mp4"), STYLE)
    return clip.with_name("unbroken.mp4")


def same(one: Path, other: Path) -> bool:
    pictures = zip(planes_of(one), planes_of(other), strict=True)
    return (
        times_of(one) == times_of(other)
        and audio_of(one) == audio_of(other)
        and all(np.array_equal(a, b) for a, b in pictures)
    )


@pytest.mark.parametrize("stop_at", [1, 48, 49, 120, 150])
def test_goes_on_where_it_was_stopped(stop_at: int, clip: Path, unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(stop_at), clip, out, STYLE)
    assert not out.exists()
    second = Dimming()
    report = stylize_video(second, clip, out, STYLE)
    assert report.resumed == (stop_at - 1) // 48 * 48 == 150 - second.calls
    assert report.frames == 150
    assert same(out, unbroken)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_goes_on_behind_the_last_frame_of_a_batch(clip: Path, unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(stop_at=12), clip, out, STYLE, batch_size=5)  # ten batches are a part
    assert stylize_video(Dimming(), clip, out, STYLE, batch_size=5).resumed == 48
    assert same(out, unbroken)


def test_the_flicker_counts_every_frame_once(clip: Path, tmp_path: Path) -> None:
    whole = stylize_video(Dimming(), clip, tmp_path / "whole.mp4", STYLE)
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(70), clip, tmp_path / "out.mp4", STYLE)
    cut = stylize_video(Dimming(), clip, tmp_path / "out.mp4", STYLE)
    assert cut.change == pytest.approx(whole.change, abs=1e-12)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part and a little."""
    return write(tmp_path_factory.mktemp("clip") / "in.mp4", moving(52, (32, 24)), audio=None)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"alpha": 0.5},
        {"settings": {"decoder": "other"}},
        {"crf": 20},
        {"temporal": 0.5},
        {"weights": [2.0, 1.0]},
        {"masks": [torch.ones(24, 32)] * 2},
        {"preserve_color": "luminance"},
        {"tile": 64},
        {"side": 20},
        {"seconds": 2.1},
        {"batch_size": 2},
    ],
    ids=lambda changed: next(iter(changed), "nothing"),
)
def test_other_settings_begin_anew(changed: dict[str, Any], short: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(50), short, tmp_path / "out.mp4", STYLE * 2)
    resumed = stylize_video(Dimming(), short, tmp_path / "out.mp4", STYLE * 2, **changed).resumed
    assert resumed == (0 if changed else 48)


def test_a_changed_source_begins_anew(clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(clip.read_bytes())
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(100), source, tmp_path / "out.mp4", STYLE)
    os.utime(source, (1, 1))
    assert stylize_video(Dimming(), source, tmp_path / "out.mp4", STYLE).resumed == 0


def test_two_runs_do_not_share_a_result(tmp_path: Path) -> None:
    first = Parts(tmp_path / "out.mp4", {})
    with pytest.raises(UserError, match=r"out\.mp4 is being made by another run"):
        Parts(tmp_path / "out.mp4", {})
    first.close(done=True)


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        Parts(tmp_path / "file" / "out.mp4", {})


@pytest.mark.slow
def test_killed_again_and_again(clip: Path, unbroken: Path, tmp_path: Path) -> None:
    """Within a part of 48 frames, at its end, and before a process has done anything: each goes on from the whole parts."""
    out = tmp_path / "out.mp4"
    script = (
        "import sys, torch; from adain.inference.video.clip import stylize_video; from tests.helpers.clips import Dimming;"
        "stylize_video(Dimming(int(sys.argv[3]), killed=True), sys.argv[1], sys.argv[2], [torch.zeros(3, 16, 16)])"
    )
    for frame in (20, 50, 1, 49):
        done = subprocess.run([sys.executable, "-c", script, str(clip), str(out), str(frame)])
        assert done.returncode == -signal.SIGKILL
        assert not out.exists()
    last = Dimming()
    stylize_video(last, clip, out, STYLE)
    assert last.calls == 150 - 2 * 48
    assert same(out, unbroken)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
