"""Clips made for the tests, and what an independent reader says of a file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from adain.functional.statistics import Statistics

RED, GREEN, BLUE = (200, 30, 30), (30, 190, 40), (30, 40, 210)
STYLE = [torch.zeros(3, 16, 16)]
COEFFICIENTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}  # ITU-R BT.709 and BT.601: of red and blue


class Copy:
    """A renderer that gives every frame back, and counts how often styles are encoded."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded = 0

    def encode_style(self, style: Any, recolor: Any = None) -> Any:
        self.encoded += 1
        return []

    def stylize(self, content: torch.Tensor, **options: Any) -> torch.Tensor:
        return content


class Dimming(Copy):
    """A renderer whose frames depend on those before them, as with the networks, at no cost.

    Args:
        stop_at: Which frame, counted from 1, it is stopped at, as by Ctrl-C.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at, self.calls = stop_at, 0

    def stylize(self, content: torch.Tensor, **options: Any) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        mean = content.float().mean((1, 2, 3)).view(-1, 1, 1, 1)
        smoothed = options["smooth"]([Statistics(mean, mean)])[0].mean
        return (content.float() - mean + smoothed).clamp(0, 255).to(torch.uint8)


def moving(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Frames of a bar that moves over a gradient: no two alike, none of them another scene."""
    width, height = size
    ground = np.linspace(40, 200, width).astype(np.uint8)[None, :, None] * np.ones((height, 1, 3), np.uint8)
    frames = []
    for index in range(count):
        frame = ground.copy()
        frame[:, index * 3 % width :][:, :6] = (220, 60, 40)
        frames.append(frame)
    return frames


def luma_chroma(rgb: Sequence[int], matrix: int, full: bool) -> tuple[float, float, float]:
    """8-bit Y, Cb, Cr of a color, from the definitions."""
    red, blue = COEFFICIENTS[matrix]
    r, g, b = (value / 255 for value in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    return (255 * y, 255 * cb + 128, 255 * cr + 128) if full else (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr)


def flat(rgb: Sequence[int], matrix: int, full: bool, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """A frame of one color, its planes filled by the definitions."""
    frame = av.VideoFrame(*size, "yuv420p")
    for plane, value in zip(frame.planes, luma_chroma(rgb, matrix, full), strict=True):
        plane.update(bytes([round(value)]) * plane.buffer_size)
    return frame


def write(
    path: Path,
    frames: Sequence[np.ndarray | av.VideoFrame],
    times: Sequence[int] | None = None,
    rate: Fraction | int = 24,
    base: Fraction | None = None,
    audio: str | None = "aac",
    tags: tuple[int, int, int, int] | None = None,
    pix_fmt: str = "yuv420p",
    rotation: int | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    late: int = 0,
    layout: str = "mono",
) -> Path:
    """A clip with a sine, which begins ``late`` seconds after 0."""
    with av.open(str(path), "w", format=None) as out:
        video = out.add_stream(codec, rate=rate, options=options or {"crf": "6"})
        first = frames[0]
        video.width, video.height = (
            (first.width, first.height) if isinstance(first, av.VideoFrame) else first.shape[1::-1]
        )
        video.pix_fmt = pix_fmt
        if base is not None:
            video.time_base = video.codec_context.time_base = base
        if tags is not None:
            context = video.codec_context
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = tags
        if rotation is not None:
            video.set_display_rotation(rotation)
        sound = out.add_stream(audio, rate=48000, bit_rate=128_000) if audio else None
        if sound is not None:
            sound.layout = layout
        for index, pixels in enumerate(frames):
            frame = pixels if isinstance(pixels, av.VideoFrame) else av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = times[index] if times else index
            frame.time_base = base or 1 / Fraction(rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if sound is not None:
            samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(48000 * len(frames) // int(rate)) / 48000)).astype("f4")
            for start in range(0, len(samples), 1024):
                piece = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 1024].copy(), format="fltp", layout="mono"
                )
                piece.sample_rate, piece.pts, piece.time_base = 48000, 48000 * late + start, Fraction(1, 48000)
                out.mux(sound.encode(piece))
            out.mux(sound.encode(None))
    return path


def times_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def planes_of(path: Path) -> list[np.ndarray]:
    """The decoded luma and chroma of each frame: nothing is converted."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def audio_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def begins(path: Path) -> tuple[Fraction, Fraction]:
    """When the first frame is shown, and how much earlier the audio begins."""
    with av.open(str(path)) as container:
        heard = min(packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.pts is not None)
    seen = min(times_of(path))
    return seen, seen - heard
