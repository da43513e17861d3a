"""Turned, mirrored, transparent, interlaced and animated: what FFmpeg leaves to its callers."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="needs the extra video")

from adain.inference.video.clip import stylize_video
from adain.inference.video.source import Source
from adain.runtime.errors import UserError
from tests.helpers.clips import STYLE, Copy, moving, write

ONE = 1 << 16


def read(path: Path) -> tuple[list[np.ndarray], list[Fraction], list[str]]:
    """All frames, when they are shown, and the notes."""
    with Source(str(path)) as source:
        frames = list(source.frames(4))
        return [f.pixels for f in frames], [f.pts * source.form.time_base for f in frames], source.notes


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((ONE, 0, 0, ONE), lambda p: p),
        ((-ONE, 0, 0, ONE), lambda p: p[:, ::-1]),  # a front camera's
        ((ONE, 0, 0, -ONE), lambda p: p[::-1]),
        ((-ONE, 0, 0, -ONE), lambda p: p[::-1, ::-1]),
        ((0, ONE, -ONE, 0), lambda p: np.rot90(p, -1)),
        ((0, -ONE, ONE, 0), lambda p: np.rot90(p)),
        ((0, ONE, ONE, 0), lambda p: p.transpose(1, 0, 2)),
        ((0, -ONE, -ONE, 0), lambda p: np.rot90(p, 2).transpose(1, 0, 2)),
    ],
)
def test_a_display_matrix_turns_and_mirrors(matrix: tuple[int, ...], upright: Any, tmp_path: Path) -> None:
    frame = np.full((48, 64, 3), 40, np.uint8)
    frame[:16, :16], frame[-16:, :16] = (230, 40, 40), (40, 230, 40)  # two of the corners
    path = write(tmp_path / "in.mp4", [frame] * 2, audio=None)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # a b u, c d v, x y w
    a, b, c, d = matrix
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    wanted, got = upright(frame), read(path)[0][0]
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).mean() < 6


def test_a_slant_matrix_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "in.mp4", moving(2), audio=None, rotation=30)
    assert read(path)[2] == ["the video is tagged to be turned by a slant angle: only quarter turns are applied"]


def half_red(path: Path, codec: str, pix_fmt: str) -> Path:
    """A frame of red, half transparent."""
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 4), (255, 0, 0, 128), np.uint8), format="rgba")
    return write(path, [frame] * 2, codec=codec, pix_fmt=pix_fmt, audio=None, options={"auto-alt-ref": "0"})


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("in.webm", "libvpx-vp9", "yuva420p"),
        ("in.mkv", "libvpx", "yuva420p"),
        ("in.mov", "prores_ks", "yuva444p10le"),
        ("in.mov", "png", "rgba64be"),
        ("in.mov", "qtrle", "argb"),
    ],
)
def test_transparency_is_laid_on_white_and_said(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    frames, _, notes = read(half_red(tmp_path / name, codec, pix_fmt))
    assert np.abs(frames[0][24, 32].astype(int) - (255, 127, 127)).max() <= 4
    assert "the video is transparent: it is laid on white" in notes


def test_an_opaque_palette_is_not_called_transparent(tmp_path: Path) -> None:
    frames = [Image.fromarray(frame) for frame in moving(3)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=100)
    assert read(tmp_path / "in.gif")[2] == []


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "avif"])
def test_an_animated_picture_is_a_video_with_its_own_times(ending: str, tmp_path: Path) -> None:
    shown = [Image.new("RGB", (64, 48), color) for color in ((220, 20, 20), (20, 200, 20), (20, 20, 220))]
    path = tmp_path / f"in.{ending}"
    try:
        shown[0].save(path, save_all=True, append_images=shown[1:], duration=[100, 300, 500])
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {ending}")
    frames, times, _ = read(path)
    assert times == [0, Fraction(1, 10), Fraction(4, 10)]
    assert [int(frame[24, 32].argmax()) for frame in frames] == [0, 1, 2]
    assert stylize_video(Copy(), path, tmp_path / "out.mkv", STYLE).frames == 3
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.duration == 900_000  # microseconds, the last frame's among them


def test_a_damaged_animation_is_one_sentence(tmp_path: Path) -> None:
    frames = [Image.fromarray(frame) for frame in moving(3)]
    path = tmp_path / "in.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"content=.*in\.webp cannot be used"):
        read(path)


def test_interlaced_frames_are_deinterlaced_and_keep_their_times(tmp_path: Path) -> None:
    """Every frame holds two moments, line by line: a bar that jumps by 8 pixels between them."""
    fields = moving(24)
    woven = [np.where(np.arange(48)[:, None, None] % 2 == 0, fields[2 * i], fields[2 * i + 1]) for i in range(12)]
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "6", "x264-params": "tff=1"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index, pixels in enumerate(woven):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    frames, times, notes = read(path)
    assert notes == ["the video is interlaced: it is deinterlaced"]
    assert times == [Fraction(index, 25) for index in range(12)]

    def combing(pixels: np.ndarray) -> float:
        lines = pixels.astype(float)
        return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())

    assert combing(frames[5]) < combing(woven[5]) / 4


def test_ten_bits_and_subtitles_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "in.mkv", moving(2), pix_fmt="yuv420p10le", audio=None)
    assert read(path)[2] == ["the video has 10 bits a color: its result has 8"]
    with av.open(str(path)) as one, av.open(str(tmp_path / "both.mkv"), "w") as both:
        copy = both.add_stream_from_template(one.streams.video[0])
        both.add_mux_stream("subrip")
        for packet in one.demux(video=0):
            if packet.size:
                packet.dts = packet.pts if packet.dts is None else packet.dts
                packet.stream = copy
                both.mux(packet)
    assert "subtitles are left out" in read(tmp_path / "both.mkv")[2]
