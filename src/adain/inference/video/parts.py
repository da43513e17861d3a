"""A result in parts: each is encoded by itself and put in place whole, so that a run that was cut goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from adain.inference.video.source import EXACT, Form, Frame, Pixels
from adain.runtime.errors import UserError
from adain.runtime.files import lock, replacing, write_whole

PART = 48
"""Frames of a part. Each begins with a key frame: about two seconds, as is usual for streaming."""

CODECS = {".mp4": "libx264", ".m4v": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
"""The encoder by the result's ending."""


class Parts:
    """The folder beside a result in which it grows.

    ``00000.nut``, ``00001.nut``, ... hold the frames, in a container that keeps any time stamp. ``state.pt`` says how many
    of them are whole and what the next one builds on; it is replaced at once, after the part is in place.

    Args:
        out: The result.
        settings: What the frames depend on. Parts of other settings are thrown away.
        resumable: False throws them away in any case.

    Attributes:
        folder: ``.NAME.parts`` beside ``out``.
        state: What ``commit`` was given last; None at the start.
        count: Parts that are whole.

    Raises:
        UserError: If the folder cannot be written to, or another run is writing there.
    """

    def __init__(self, out: Path, settings: dict[str, Any], resumable: bool = True) -> None:
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self.state: dict[str, Any] | None = None
        self.count = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as held:
                if not held.enter_context(lock(self.folder / "lock")):
                    raise UserError(f"out={out} is being made by another run: wait for it, or give another out")
                self._begin(json.loads(json.dumps(settings)), resumable)
                self._held = held.pop_all()
        except OSError as error:
            raise self._unwritable(error) from None

    def _begin(self, settings: dict[str, Any], resumable: bool) -> None:
        noted, state = self.folder / "settings.json", self.folder / "state.pt"
        if resumable and noted.is_file() and state.is_file() and json.loads(noted.read_text()) == settings:
            kept = torch.load(state, weights_only=True)
            self.count, self.state = kept["parts"], kept["state"]
            return
        state.unlink(missing_ok=True)
        for old in self.folder.glob("*.nut"):
            old.unlink()
        write_whole(noted, json.dumps(settings, indent=2) + "\n")

    @property
    def files(self) -> list[Path]:
        """Return the parts that are whole, in order."""
        return [self.folder / f"{index:05d}.nut" for index in range(self.count)]

    def write(self, form: Form, codec: str, crf: int) -> PartWriter:
        """Begin the next part."""
        return PartWriter(self.folder / f"{self.count:05d}.nut", form, codec, crf, self._unwritable)

    def commit(self, state: dict[str, Any]) -> None:
        """Note that the part that was written is whole.

        Args:
            state: Tensors, numbers and words, in lists and dicts.
        """
        try:
            with replacing(self.folder / "state.pt") as part:
                torch.save({"parts": self.count + 1, "state": state}, part)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError of a full disk
            raise self._unwritable(error) from None
        self.count, self.state = self.count + 1, state

    def close(self, done: bool) -> None:
        """Release the folder, and remove it if the result is in its place."""
        self._held.close()
        if done:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _unwritable(self, error: BaseException) -> UserError:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
        return UserError(f"out={self.out} cannot be written ({reason}): give another folder, or make room")


class PartWriter:
    """One part while it is encoded. It has its name only after ``close``."""

    def __init__(self, path: Path, form: Form, codec: str, crf: int, unwritable: Any) -> None:
        self._path, self._form, self._unwritable = path, form, unwritable
        self._beside = path.with_suffix(".part")
        self.frames = 0
        try:
            self._out = av.open(str(self._beside), "w", format="nut", options={"avoid_negative_ts": "disabled"})
            self._stream = add_encoder(self._out, form, codec, crf)
        except (av.FFmpegError, OSError) as error:
            raise unwritable(error) from None

    def write(self, frames: Iterable[Frame]) -> None:
        """Encode frames."""
        try:
            for frame in frames:
                self._out.mux(self._stream.encode(to_video_frame(frame.pixels, frame.pts, self._form)))
                self.frames += 1
        except (av.FFmpegError, OSError) as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """End the part and give it its name."""
        try:
            self._out.mux(self._stream.encode(None))
            self._out.close()
            self._beside.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            raise self._unwritable(error) from None


def add_encoder(out: Any, form: Form, codec: str, crf: int, at_once: bool = False) -> Any:
    """Add a video stream of a form: 4:2:0, so that every player shows it, tagged with the source's colors.

    Args:
        out: PyAV's container.
        form: The source's.
        codec: FFmpeg's name of the encoder.
        crf: Quality in x264's scale, 0 to 51, lower is better. VP9's has 8 more for about the same look.
        at_once: Of x264: each frame comes out as it goes in; the file is about a tenth larger.
    """
    options = {"crf": str(crf), "preset": "medium", **({"tune": "zerolatency"} if at_once else {})}
    if codec == "libvpx-vp9":
        options = {"crf": str(min(63, crf + 8)), "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    stream = out.add_stream(codec, rate=form.rate.limit_denominator(100_000), options=options)
    stream.width, stream.height = even(form.width), even(form.height)
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = form.time_base
    stream.codec_context.sample_aspect_ratio = form.aspect
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = form.tags
    return stream


def even(side: int) -> int:
    """Return the pixels of a side with 4:2:0 color, which goes by pairs."""
    return side + side % 2


def to_video_frame(pixels: Pixels, pts: int, form: Form) -> av.VideoFrame:
    """Return RGB pixels as what the encoder takes. An odd last row or column is repeated.

    Args:
        pixels: Of any size.
        pts: In ``form.time_base``.
        form: Says the colors.
    """
    if form.width % 2 or form.height % 2:
        pixels = np.pad(pixels, ((0, form.height % 2), (0, form.width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=form.matrix,
        dst_color_range=2 if form.full_range else 1,
        interpolation=EXACT,
    )
    frame.pts, frame.time_base = pts, Fraction(form.time_base)
    return frame
