"""A video in, a video out: what is kept of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="needs the extra video")

from adain.inference.video.clip import stylize_video
from adain.runtime.errors import UserError
from tests.helpers.clips import (
    BLUE,
    GREEN,
    RED,
    STYLE,
    Copy,
    Dimming,
    audio_of,
    begins,
    flat,
    luma_chroma,
    moving,
    planes_of,
    times_of,
    write,
)


def copied(source: Path, out: Path, **options: Any) -> Any:
    return stylize_video(Copy(), source, out, STYLE, **options)


def probe(path: Path, entries: str) -> dict[str, Any]:
    if shutil.which("ffprobe") is None:
        pytest.skip("needs ffprobe")
    asked = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", entries, "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clip") / "a clip=1.mp4", moving(100))


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_frames_times_and_audio_are_the_sources(ending: str, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{ending}"
    report = copied(clip, out)
    assert report.frames == 100
    assert times_of(out) == times_of(clip) == [Fraction(index, 24) for index in range(100)]
    assert audio_of(out) == audio_of(clip)
    assert len(audio_of(out)) > 150
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_ffprobe_sees_the_same_rate_and_length(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "out.mp4")
    entries = "stream=avg_frame_rate,nb_frames,duration,width,height"
    assert probe(tmp_path / "out.mp4", entries)["streams"] == probe(clip, entries)["streams"]


def test_packets_are_in_order(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [(packet.dts, packet.pts) for packet in container.demux(video=0) if packet.size]
    assert all(before[0] < after[0] for before, after in pairwise(packets))
    assert all(dts <= pts for dts, pts in packets)


@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_other_containers_keep_times_to_a_millisecond(ending: str, tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.mp4", moving(60), audio=None), tmp_path / f"out{ending}"
    copied(source, out)
    assert max(abs(a - b) for a, b in zip(times_of(source), times_of(out), strict=True)) <= Fraction(1, 1000)


def test_the_pictures_are_the_sources(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "out.mp4", crf=6)
    for before, after in zip(planes_of(clip), planes_of(tmp_path / "out.mp4"), strict=True):
        assert np.abs(before.astype(int) - after).mean() < 2


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5])
def test_colors_keep_matrix_range_and_tags(matrix: int, full: bool, tmp_path: Path) -> None:
    tags = (matrix, 2 if full else 1, 1, 1)
    colors = [color for color in (RED, GREEN, BLUE) for _ in range(2)]
    frames = [flat(color, matrix, full) for color in colors]
    source = write(tmp_path / "in.mp4", frames, tags=tags, audio=None)
    seen: list[np.ndarray] = []

    class Watching(Copy):
        def stylize(self, content: torch.Tensor, **options: Any) -> torch.Tensor:
            seen.append(content[0, :, 10, 10].numpy().copy())
            return content

    stylize_video(Watching(), source, tmp_path / "out.mp4", STYLE)
    for got, color in zip(seen, colors, strict=True):  # RGB, right, and in this order: what the networks see
        assert np.abs(got.astype(int) - color).max() <= 3
    for planes, color in zip(planes_of(tmp_path / "out.mp4"), colors, strict=True):
        got = planes[10, 10], planes[48 + 4, 4], planes[60 + 4, 4]
        assert np.abs(np.array(got, float) - luma_chroma(color, matrix, full)).max() <= 3
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == tags[:2]


def test_an_untagged_clip_stays_untagged(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "out.mp4")
    entries = "stream=color_space,color_range,color_transfer,color_primaries"
    assert probe(tmp_path / "out.mp4", entries) == probe(clip, entries)


@pytest.mark.parametrize("size", [(33, 24), (32, 25), (33, 25)])
def test_odd_sides_are_made_even_and_that_is_said(size: tuple[int, int], tmp_path: Path) -> None:
    source = write(tmp_path / "in.mkv", moving(3, size), pix_fmt="yuv444p", audio=None)
    report = copied(source, tmp_path / "out.mp4")
    assert (report.width, report.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert any("even sides" in note for note in report.notes)
    luma = planes_of(tmp_path / "out.mp4")[0][: report.height]
    assert luma.shape == (report.height, report.width)
    if size[0] % 2:
        assert np.abs(luma[:, -1].astype(int) - luma[:, -2]).max() <= 6


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_applied(rotation: int, tmp_path: Path) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:16, :16] = 230  # the upper left corner is bright
    source = write(tmp_path / "in.mp4", [frame] * 3, rotation=rotation, audio=None)
    report = copied(source, tmp_path / "out.mp4")
    assert (report.width, report.height) == ((48, 64) if rotation % 180 else (64, 48))
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    shown = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(source), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True,
        check=True,
    ).stdout
    upright = np.frombuffer(shown, np.uint8).reshape(report.height, report.width)
    luma = planes_of(tmp_path / "out.mp4")[0][: report.height].astype(float)
    assert np.corrcoef(luma.ravel(), upright.ravel())[0, 1] > 0.99
    assert "side_data_list" not in probe(tmp_path / "out.mp4", "stream_side_data=rotation")["streams"][0]


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    steps = np.random.default_rng(1).integers(10, 200, 70)  # milliseconds
    times = [0, *np.cumsum(steps).tolist()]
    source = write(tmp_path / "in.mkv", moving(71), times=times, base=Fraction(1, 1000), audio=None)
    copied(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == [Fraction(time, 1000) for time in times]


def test_a_start_after_zero_is_moved_to_zero(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mts", moving(30), audio=None)
    first = times_of(source)[0]
    assert first > 0  # an MPEG transport stream begins anywhere
    copied(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == [time - first for time in times_of(source)]


@pytest.mark.parametrize(("ending", "exact"), [(".mp4", True), (".mkv", True), (".webm", False)])
def test_audio_moves_to_zero_with_the_frames(ending: str, exact: bool, tmp_path: Path) -> None:
    """Encoded again, its first packet is another one."""
    source = write(tmp_path / "in.mkv", moving(24), times=list(range(48, 72)), late=2)
    start, ahead = begins(source)
    assert start == 2
    copied(source, tmp_path / f"out{ending}")
    start, found = begins(tmp_path / f"out{ending}")
    assert start < Fraction(1, 10)
    assert abs(found - ahead) <= (Fraction(1, 1000) if exact else Fraction(1, 20))


def test_side_reduces(clip: Path, tmp_path: Path) -> None:
    report = copied(clip, tmp_path / "out.mp4", side=24, seconds=0.5)
    assert (report.width, report.height, report.frames) == (32, 24, 12)


def test_seconds_cut_the_audio_too(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "out.mp4", seconds=1)
    assert len(times_of(tmp_path / "out.mp4")) == 24
    assert 45 <= len(audio_of(tmp_path / "out.mp4")) <= 50  # 1024 samples a packet at 48 kHz


def test_the_style_is_encoded_once(clip: Path, tmp_path: Path) -> None:
    copy = Copy()
    stylize_video(copy, clip, tmp_path / "out.mp4", STYLE)
    assert copy.encoded == 1


def test_the_flicker_of_a_copy_is_zero(clip: Path, tmp_path: Path) -> None:
    report = copied(clip, tmp_path / "out.mp4", seconds=1)
    frames = [frame.astype(float) / 255 for frame in moving(24)]
    change = np.mean([np.abs(a - b).mean() for a, b in pairwise(frames)])
    assert report.flicker == 0
    assert abs(report.change[1] - change) < 0.2 * change  # what the codec changed of the source


# --- pipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".mkv", ".y4m"])
def test_a_pipe_is_a_source(ending: str, tmp_path: Path) -> None:
    """About 5 s each on a quiet core: a process that imports torch."""
    raw = {"codec": "wrapped_avframe", "audio": None} if ending == ".y4m" else {}
    source = write(tmp_path / f"in{ending}", moving(60), **raw)  # type: ignore[arg-type]
    script = (
        "import torch; from adain.inference.video.clip import stylize_video; from tests.helpers.clips import Copy;"
        "print(stylize_video(Copy(), '-', 'out.mp4', [torch.zeros(3, 16, 16)]).frames)"
    )
    with source.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdin=subprocess.Popen(["cat"], stdin=stdin, stdout=subprocess.PIPE).stdout,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
    assert (done.stdout, done.returncode) == ("60\n", 0), done.stderr
    tick = Fraction(1, 1000 if ending == ".mkv" else 24)  # Matroska's
    assert all(abs(time - Fraction(index, 24)) < tick for index, time in enumerate(times_of(tmp_path / "out.mp4")))
    assert len(times_of(tmp_path / "out.mp4")) == 60
    if ending == ".mkv":
        assert audio_of(tmp_path / "out.mp4") == audio_of(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "out.mp4"])


# --- one sentence ---------------------------------------------------------------------------------------------------


def test_no_video_in_it(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=48000)
        piece = av.AudioFrame.from_ndarray(np.zeros((2, 1024), "f4"), format="fltp", layout="stereo")
        piece.sample_rate = 48000
        out.mux(sound.encode(piece))
        out.mux(sound.encode(None))
    with pytest.raises(UserError, match="there is no video in it"):
        copied(path, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_no_video_at_all(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(content)
    with pytest.raises(UserError, match=r"content=.*in\.mp4 cannot be used \(empty, damaged, .*\): give another video"):
        copied(tmp_path / "in.mp4", tmp_path / "out.mp4")


def test_a_video_that_breaks_off_is_done_as_far_as_it_goes(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", moving(240), options={"crf": "6", "g": "24"}, audio=None)
    cut = tmp_path / "cut.mp4"
    with av.open(str(source)) as container, av.open(str(cut), "w", options={"movflags": "+faststart"}) as out:
        copy = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = copy
                out.mux(packet)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    report = copied(cut, tmp_path / "out.mp4")
    assert 40 < report.frames < 240
    assert len(times_of(tmp_path / "out.mp4")) == report.frames
    assert any("what could be read is done" in note for note in report.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temporal": 1.5}, "temporal=1.5 is out of range"),
        ({"temporal": -0.1}, "temporal=-0.1 is out of range"),
        ({"side": 8}, "side=8 cannot be used"),
        ({"seconds": 0}, "seconds=0 cannot be used"),
        ({"crf": 60}, "crf=60 is out of range"),
        ({"max_pixels": 1000}, "64 x 48 is over max_pixels=1000"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], said: str, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        copied(clip, tmp_path / "out.mp4", **options)


def test_a_wrong_ending(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"out=out\.png has no video's ending"):
        copied(clip, tmp_path / "out.png")


def test_nothing_is_left_of_a_video_that_is_cut_off(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("the last one")
    with pytest.raises(KeyboardInterrupt):
        stylize_video(Dimming(stop_at=60), clip, tmp_path / "out.mp4", STYLE)
    assert (tmp_path / "out.mp4").read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_missing_folder_is_made(clip: Path, tmp_path: Path) -> None:
    copied(clip, tmp_path / "new" / "folder" / "out.MP4", seconds=0.1)
    assert len(times_of(tmp_path / "new" / "folder" / "out.MP4")) == 3


def test_an_unwritable_folder(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"out=.*out\.mp4 cannot be written"):
        copied(clip, tmp_path / "file" / "out.mp4")


@pytest.mark.parametrize("name", ["12:30.mp4", os.fsdecode(b"caf\xe9.mp4"), "100%d.mp4"])
def test_any_name_is_a_file(name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(clip.read_bytes())
    out = Path(f"made {name}")
    copied(Path(name), out, seconds=0.1)
    with av.open(str(out.absolute())) as container:
        assert len(list(container.decode(video=0))) == 3
