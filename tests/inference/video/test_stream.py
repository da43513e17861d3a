"""A video into an open file: Matroska, frame by frame."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="needs the extra video")

from adain.inference.video.clip import stylize_video
from adain.runtime.errors import UserError
from tests.helpers.clips import STYLE, Copy, audio_of, begins, moving, planes_of, times_of, write


class Pipe:
    """What is written, in a file that cannot be gone back in. After ``limit`` bytes nobody reads any longer."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit, self.content = limit, bytearray()

    def write(self, content: Any) -> int:
        if self.limit is not None and len(self.content) > self.limit:
            raise BrokenPipeError(32, "Broken pipe")
        self.content += bytes(content)
        return len(content)


class Watching(Copy):
    """Notes how much had been written before each frame."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.pipe, self.written = pipe, list[int]()

    def stylize(self, content: torch.Tensor, **options: Any) -> torch.Tensor:
        self.written.append(len(self.pipe.content))
        return content


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clip") / "in.mp4", moving(100))


@pytest.mark.parametrize("sink", [Pipe, io.BytesIO])
def test_frames_times_colors_and_audio_are_the_sources(sink: Any, clip: Path, tmp_path: Path) -> None:
    pipe = sink()
    report = stylize_video(Copy(), clip, pipe, STYLE)
    out = tmp_path / "out.mkv"
    out.write_bytes(pipe.content if sink is Pipe else pipe.getvalue())
    assert (report.frames, report.notes) == (100, [])
    times = times_of(out)
    assert len(times) == 100
    start = Fraction(1024, 48000)  # AAC's first packet is before 0, for which Matroska moves everything
    assert all(abs(time - start - Fraction(index, 24)) <= Fraction(1, 1000) for index, time in enumerate(times))
    assert audio_of(out) == audio_of(clip)
    for made, given in zip(planes_of(out), planes_of(clip), strict=True):
        assert np.abs(made.astype(int) - given).mean() < 1.5


def test_frames_go_out_before_the_last_one_is_made(clip: Path) -> None:
    pipe = Pipe()
    renderer = Watching(pipe)
    stylize_video(renderer, clip, pipe, STYLE)
    assert renderer.written[60] > 0
    assert renderer.written[99] > renderer.written[60]


def test_frames_do_not_wait_for_audio_that_begins_late(tmp_path: Path) -> None:
    pipe = Pipe()
    renderer = Watching(pipe)
    stylize_video(renderer, write(tmp_path / "in.mkv", moving(100), late=3), pipe, STYLE)  # type: ignore[arg-type]
    assert renderer.written[60] > renderer.written[40] > 0


def test_seconds_cut_the_audio_too(clip: Path, tmp_path: Path) -> None:
    pipe, out = Pipe(), tmp_path / "out.mkv"
    assert stylize_video(Copy(), clip, pipe, STYLE, seconds=1.0).frames == 24  # type: ignore[arg-type]
    out.write_bytes(pipe.content)
    with av.open(str(out)) as container:
        ends = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None]
    assert 0.9 < max(ends) <= 1.0 + 1024 / 48000  # see above


def test_a_start_after_zero_is_moved_to_zero(tmp_path: Path) -> None:
    late = write(tmp_path / "late.mkv", moving(30), times=list(range(48, 78)), audio=None)
    pipe, out = Pipe(), tmp_path / "out.mkv"
    stylize_video(Copy(), late, pipe, STYLE)  # type: ignore[arg-type]
    out.write_bytes(pipe.content)
    assert times_of(out)[0] == 0


def test_audio_moves_to_zero_with_the_frames(tmp_path: Path) -> None:
    late = write(tmp_path / "late.mkv", moving(30), times=list(range(48, 78)), late=2)
    pipe, out = Pipe(), tmp_path / "out.mkv"
    stylize_video(Copy(), late, pipe, STYLE)  # type: ignore[arg-type]
    out.write_bytes(pipe.content)
    start, ahead = begins(out)
    assert start < Fraction(1, 10)
    assert abs(ahead - begins(late)[1]) <= Fraction(1, 1000)


def test_a_closed_reader_is_one_sentence_and_ends_the_work(clip: Path) -> None:
    pipe = Pipe(limit=500)
    renderer = Watching(pipe)
    with pytest.raises(UserError, match=r"out=- was closed by what reads it, after \d+ frames"):
        stylize_video(renderer, clip, pipe, STYLE)
    assert len(renderer.written) < 100


def test_nothing_is_left_beside_it(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stylize_video(Copy(), clip, Pipe(), STYLE, seconds=0.5)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
