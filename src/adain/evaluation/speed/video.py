"""Videos, measured: frames per second with the style encoded once and for every frame, and where the time goes."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from adain.evaluation.speed.clock import Stages, interleave, timings
from adain.evaluation.store import Row
from adain.inference.stylizer import Stylizer
from adain.inference.video.clip import stylize_video
from adain.inference.video.source import Form, Frame, Source
from adain.inference.video.writing import add_encoder, to_video_frame
from adain.runtime.schema import Arithmetic

FRAMES = 8
"""Of the made-up clip."""

ONCE, EACH = "whole, style encoded once", "whole, style for every frame"


class _Forgetful:
    """A stylizer that encodes its style anew for every frame, as the ports do."""

    def __init__(self, stylizer: Stylizer, style: torch.Tensor) -> None:
        self.device, self._stylizer, self._style = stylizer.device, stylizer, style

    def encode_style(self, style: Any, recolor: Any = None) -> Any:
        """Return nothing: it would not be kept."""
        return []

    def stylize(self, content: Any, **options: Any) -> Any:
        """Return frames, each with the style's encoding before it."""
        made = [
            self._stylizer.stylize(frame, **{**options, "styles": [self._stylizer.encode_style(self._style)]})
            for frame in content.split(1)
        ]
        return torch.cat(made)


def measure_video(
    sizes: list[int], precisions: list[str], repeats: int, least_seconds: float, device: torch.device
) -> list[Row]:
    """Time a clip of moving noise that is decoded, stylized and encoded, and each of these by itself.

    Args:
        sizes: Sides of its frames and of the style.
        precisions: ``32-true`` or ``bf16-mixed``.
        repeats: Rounds that count.
        least_seconds: Rounds go on until so much time was measured.
        device: Where frames are stylized.

    Returns:
        A row for each stage; ``of_whole`` is its share of the first whole. Decoding has a thread of its own, so the shares
        may add up to more than 1.
    """
    rows: list[Row] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            candidates = {
                f"ours, {precision}": _stages(Path(folder), size, precision, device)  # type: ignore[arg-type]
                for precision in precisions
            }
            times = interleave(candidates, repeats, device, least_seconds)
        for name, found in times.items():
            whole = timings(found[ONCE])["median_s"] / FRAMES
            for stage, seconds in found.items():
                row: Row = {"work": "video", "size": size, "batch": 1, "contestant": name, "stage": stage}
                row |= timings([s / FRAMES for s in seconds])
                rows.append(row | {"per_second": 1 / row["median_s"], "of_whole": row["median_s"] / whole})
    return rows


def _stages(folder: Path, size: int, precision: Arithmetic, device: torch.device) -> Stages:
    clip, out = folder / f"{size}.mkv", folder / "out.mkv"
    form = _write_clip(clip, size)
    stylizer = Stylizer.load("reference", device, precision)
    style = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    forgetful = _Forgetful(stylizer, style)
    source = Source(str(clip))
    frames = list(source.frames(FRAMES))
    source.close()
    pixels = [torch.from_numpy(frame.pixels).permute(2, 0, 1)[None].contiguous() for frame in frames]
    kept = [stylizer.encode_style(style)]

    def decode() -> None:
        read = Source(str(clip))
        for _ in read.frames(FRAMES):
            pass
        read.close()

    def stylize() -> None:
        for one in pixels:
            stylizer.stylize(one, styles=kept)

    def encode() -> None:
        _write(folder / "encoded.mkv", frames, form)

    return [
        (ONCE, lambda: stylize_video(stylizer, clip, out, [style], batch_size=1)),
        (EACH, lambda: stylize_video(forgetful, clip, out, [style], batch_size=1)),  # type: ignore[arg-type]
        ("decode", decode),
        ("stylize, style cached", stylize),
        ("encode", encode),
    ]


def _write_clip(path: Path, size: int) -> Form:
    """Write smooth noise that moves: decoders and encoders find it about as hard as a filmed picture."""
    noise = np.random.default_rng(0).integers(0, 256, (size // 8 + 1, size // 8 + 1, 3), dtype=np.uint8)
    ground = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(size + size % 2, size + size % 2).to_ndarray()
    form = Form(size, size, Fraction(1, 24), Fraction(24), 1, False, (1, 1, 1, 1), Fraction(1))
    frames = [
        Frame(np.roll(ground[:size, :size], 2 * index, axis=1).astype(np.uint8), index, 1) for index in range(FRAMES)
    ]
    _write(path, frames, form)
    return form


def _write(path: Path, frames: list[Frame], form: Form) -> None:
    with av.open(str(path), "w", format="matroska") as out:
        stream = add_encoder(out, form, "libx264", 18)
        for frame in frames:
            out.mux(stream.encode(to_video_frame(frame, form)))
        out.mux(stream.encode(None))
