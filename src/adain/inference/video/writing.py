"""Writing a video: frames are encoded as they come, and the source's audio goes with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from adain.inference.video.audio import Track
from adain.inference.video.source import EXACT, Form, Frame, Pixels, Source
from adain.runtime.errors import UserError
from adain.runtime.files import replacing

_FORMATS = {
    ".mp4": ("mp4", "libx264"),
    ".m4v": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
"""The container and the encoder by the result's ending."""


@contextmanager
def writing(out: Path | BinaryIO, source: Source, crf: int, cut: bool) -> Iterator[Writer]:
    """Yield a writer. A file has its name only when the block has succeeded; otherwise nothing is left of it.

    Args:
        out: A file, or an open binary file or pipe, which gets Matroska, frame by frame.
        source: Read with ``listen=True``; its audio is copied or encoded.
        crf: See ``add_encoder``.
        cut: Whether audio after the last frame is left out.

    Raises:
        UserError: If ``out`` cannot be written.
    """
    if not isinstance(out, Path):
        with Writer(out, source, crf, cut, Path("-.mkv")) as writer:
            yield writer
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out.absolute()) as part, Writer(str(part), source, crf, cut, out) as writer:
            yield writer
    except OSError as error:  # of the folder and the name; the writer's own are explained already
        raise _unwritable(out, error) from None


class Writer:
    """A result being written; see ``writing``.

    Args:
        target: An open file, or a name.
        source, crf, cut: See ``writing``.
        out: What the user calls it; its ending says the container.

    Attributes:
        notes: What the user should know of the audio and the size.
    """

    def __init__(self, target: str | BinaryIO, source: Source, crf: int, cut: bool, out: Path) -> None:
        self.notes: list[str] = []
        self._source, self._form, self._cut, self._name = source, source.form, cut, out
        width, height = even(source.form.width), even(source.form.height)
        if (width, height) != (source.form.width, source.form.height):
            self.notes.append(
                f"the result is {width} x {height}: video needs even sides, so the last row or column is repeated"
            )
        self._frames, self._end = 0, 0.0
        self._durations: dict[int, int] = {}  # by the frame's time: encoders assume an even rate
        self._tracks: dict[int, Track] = {}
        container, codec = _FORMATS[out.suffix.lower()]
        if piped := not isinstance(target, str):
            options = {"flush_packets": "1", "max_interleave_delta": "1000000"}  # wait a second for audio, not ten
        else:
            options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
        with self._explained():
            self._out = av.open(target, "w", format=container, options=options)
            self._video = add_encoder(self._out, self._form, codec, crf, at_once=piped)
            for number, stream in enumerate(source.audio, 1):
                self._add_track(stream, f"audio track {number}" if len(source.audio) > 1 else "the audio")
            self._out.start_encoding()

    def _add_track(self, stream: Any, called: str) -> None:
        try:
            track = Track(stream, self._out, self._name.suffix.lower(), self._source)
        except ValueError as error:
            self.notes.append(f"{called} {error}: it is left out")
            return
        self._tracks[stream.index] = track
        if track.note is not None:
            self.notes.append(f"{called} {track.note}")

    def write(self, frame: Frame) -> None:
        """Encode a frame, and send what is ready, with the audio up to it."""
        self._durations[frame.pts] = frame.duration
        with self._explained():
            self._send(self._video.encode(to_video_frame(frame, self._form)))
        self._frames += 1
        self._end = float((frame.pts + frame.duration) * self._form.time_base)

    def _send(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._send_audio(float(packet.pts * packet.time_base))
            self._out.mux(packet)

    def _send_audio(self, until: float) -> None:
        """Send the audio that has been read, as far as the frames have come."""
        heard, shift = self._source.heard, self._source.shift / av.time_base
        while heard:
            packet = heard[0]
            if packet.dts is not None and float(packet.dts * packet.time_base) - shift > until:
                return
            heard.popleft()
            track = self._tracks.get(packet.stream.index)
            if track is None or packet.dts is None:
                continue
            try:
                self._out.mux(list(track.packets(packet)))
            except (av.InvalidDataError, av.ArgumentError):
                track.damaged += 1

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Send what the encoders hold back and the audio that is left; after an error, nothing more."""
        if error is not None:
            with suppress(av.FFmpegError, OSError):
                self._out.close()
            return
        with self._explained():
            self._send(self._video.encode(None))
            self._send_audio(self._end if self._cut else float("inf"))
            for track in self._tracks.values():
                self._out.mux(list(track.packets(None)))
            self._out.close()
        if damaged := sum(track.damaged for track in self._tracks.values()):
            self._source.notes.append(f"damaged pieces of the audio are left out: {damaged}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise UserError(
                f"out=- was closed by what reads it, after {self._frames} frames: the rest is not made"
            ) from None
        except (av.FFmpegError, OSError) as error:
            raise _unwritable(self._name, error) from None


def _unwritable(out: Path, error: BaseException) -> UserError:
    reason = str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
    name, instead = ("-", "give a file") if out.stem == "-" else (out, "give another folder, or make room")
    return UserError(f"out={name} cannot be written ({reason}): {instead}")


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


def to_video_frame(frame: Frame, form: Form) -> av.VideoFrame:
    """Return a frame as what the encoder takes. An odd last row or column is repeated."""
    pixels: Pixels = frame.pixels
    if form.width % 2 or form.height % 2:
        pixels = np.pad(pixels, ((0, form.height % 2), (0, form.width % 2), (0, 0)), mode="edge")
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=form.matrix,
        dst_color_range=2 if form.full_range else 1,
        interpolation=EXACT,
    )
    picture.pts, picture.duration, picture.time_base = frame.pts, frame.duration, Fraction(form.time_base)
    return picture
