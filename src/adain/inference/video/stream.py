"""A result that goes out as it is made: through a pipe, with nothing kept and nothing to resume."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from types import TracebackType
from typing import Any, BinaryIO

import av

from adain.inference.video.parts import add_encoder, to_video_frame
from adain.inference.video.source import Form, Frame
from adain.runtime.errors import UserError


class Stream:
    """Matroska, written into an open file frame by frame. To the loop over frames it looks like ``parts.Parts``.

    Args:
        sink: An open binary file; it need not be one that can be gone back in.
        cut: Whether audio after the last frame is left out.

    Attributes:
        state, count: As of ``Parts``; there is never anything to go on from.
        frames: Written so far.
        shift: Microseconds by which the source's times begin after 0.
        streams: The audio streams that are copied.
        notes: What the user should know.
    """

    def __init__(self, sink: BinaryIO, cut: bool) -> None:
        self.state: dict[str, Any] | None = None
        self.count = self.frames = self.shift = 0
        self.streams: tuple[Any, ...] = ()
        self.notes: list[str] = []
        self._sink, self._cut = sink, cut
        self._out: Any = None
        self._heard: deque[tuple[int, Any]] = deque()
        self._copies: dict[int, Any] = {}

    def listen(self, streams: tuple[Any, ...]) -> Stream:
        """Take the source's audio too; see ``source.Listener``."""
        self._open()
        for stream in streams:
            if {stream.codec_context.name, stream.codec.canonical_name} & set(self._out.supported_codecs):
                self._copies[stream.index] = self._out.add_stream_from_template(stream)
                self.streams += (stream,)
            else:
                self.notes.append(f"the audio is {stream.codec_context.name}, which Matroska cannot hold: left out")
        return self

    def take(self, packet: Any) -> None:
        """Keep an audio packet until the frames have come as far."""
        if packet.dts is not None:
            self._heard.append((packet.stream.index, packet))  # the source may be closed when it is sent

    def write(self, form: Form, codec: str, crf: int) -> _Writer:
        """Return what the next frames are given to."""
        self._open()
        if self.count == 0:
            self._form, self._video = form, add_encoder(self._out, form, codec, crf, at_once=True)
        return _Writer(self)

    def encode(self, frame: Frame | None) -> None:
        """Send a frame, and the audio up to it; with None what the encoder holds back and the audio that is left."""
        try:
            picture = None if frame is None else to_video_frame(frame.pixels, frame.pts, self._form)
            for packet in self._video.encode(picture):
                now = float(packet.pts * packet.time_base)
                self._send_audio(now)
                self._end = now + float(1 / self._form.rate)
                self._out.mux(packet)
            if frame is None:
                self._send_audio(self._end if self._cut else float("inf"))
                self._out.close()
        except BrokenPipeError:
            raise UserError(
                f"out=- was closed by what reads it, after {self.frames} frames: the rest is not made"
            ) from None
        except (av.FFmpegError, OSError) as error:
            reason = str(getattr(error, "strerror", None) or error).lower()
            raise UserError(f"out=- cannot be written ({reason}): give a file") from None
        self.frames += frame is not None

    def commit(self, state: dict[str, Any]) -> None:
        """Note that a part's worth of frames has been written."""
        self.count += 1

    def close(self) -> None:
        """The source has no more audio."""

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.encode(None)
        elif self._out is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                self._out.close()

    def _open(self) -> None:
        if self._out is None:
            self._out = av.open(self._sink, "w", format="matroska", options={"flush_packets": "1"})

    def _send_audio(self, until: float) -> None:
        while self._heard:
            index, packet = self._heard[0]
            if float(packet.dts * packet.time_base) - self.shift / av.time_base > until:
                return
            self._heard.popleft()
            ticks = round(Fraction(self.shift, av.time_base) / packet.time_base)
            packet.dts -= ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.stream = self._copies[index]
            self._out.mux(packet)


class _Writer:
    """A part's worth of frames, as ``parts.PartWriter``."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.frames = 0

    def write(self, frames: Iterable[Frame]) -> None:
        """Send frames."""
        for frame in frames:
            self._stream.encode(frame)
            self.frames += 1

    def close(self) -> None:
        """Nothing waits for the end of a part."""
