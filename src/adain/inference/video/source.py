"""Reading a video: frames as RGB, upright, with the times and colors that the result must keep."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from adain.inference.request import camera_number, check_live, is_live
from adain.runtime.errors import UserError

Pixels = NDArray[np.uint8]
"""``H x W x 3``, RGB."""

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""How swscale is to convert colors: within one level of the formulas, where its default is faster and several off."""

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # AVColorSpace to swscale's names; 5 and 6 are both BT.601
_HD = 576  # rows: above it, players take an untagged video for BT.709, else for BT.601


class SourceError(UserError):
    """A video that cannot be used.

    Attributes:
        reason: Why, in a few words, without the video's name.
    """

    def __init__(self, content: str, reason: str) -> None:
        super().__init__(f"content={content} cannot be used ({reason}): give another video")
        self.reason = reason


class Frame(NamedTuple):
    """One frame.

    Attributes:
        pixels: Upright.
        pts: When it is shown, in ``Form.time_base``, counted from the start of the video.
        duration: How long, if that is known, else 0.
    """

    pixels: Pixels
    pts: int
    duration: int


@dataclass(frozen=True)
class Form:
    """What the result keeps of its source.

    Attributes:
        width: Of the upright, perhaps reduced frame.
        height: Likewise.
        time_base: Seconds of a tick of ``Frame.pts``.
        rate: Frames per second, on average.
        matrix: Between RGB and YUV, by swscale's number.
        full_range: Whether YUV goes from 0 to 255, in place of 16 to 235.
        tags: What the file says of its colors: matrix, range, primaries, transfer, as FFmpeg's numbers; unknown ones stay so.
        aspect: Width of a pixel divided by its height.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    matrix: int
    full_range: bool
    tags: tuple[int, int, int, int]
    aspect: Fraction


class Listener(Protocol):
    """Takes the audio of a source as it is read.

    Attributes:
        streams: Those that it wants.
    """

    streams: tuple[Any, ...]

    def take(self, packet: Any) -> None:
        """Take a packet of them, in the thread that decodes."""

    def close(self) -> None:
        """There are no more."""


class Source:
    """A video being read.

    Args:
        content: A file; ``-`` for a pipe on standard input (anything FFmpeg reads without going back: Matroska, Y4M,
            MPEG-TS); ``camera:N`` or ``/dev/videoN``.
        side: The shorter side is reduced to so many pixels, aspect kept, if it has more.
        seconds: Stop after so many.
        max_pixels: Larger frames are refused.
        listen: Makes what takes the audio of a source that cannot be read twice, out of its audio streams.

    Attributes:
        form: What the result keeps.
        live: Whether this is a pipe or a camera.
        total: How many frames there are to come, as far as the file says; None if it does not.
        notes: What the user should know, once everything is read.

    Raises:
        UserError: If there is nothing to read: no file, no video in it, no camera.
    """

    def __init__(
        self,
        content: str,
        side: int | None = None,
        seconds: float | None = None,
        max_pixels: int | None = None,
        listen: Callable[[tuple[Any, ...]], Listener] | None = None,
    ) -> None:
        self.content, self.live, self.notes = content, is_live(content), list[str]()
        self._seconds = seconds
        self._listener: Listener | None = None
        self._damaged = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._container = _opened(content)
        try:
            self._begin(side, max_pixels, listen)
        except BaseException:
            self.close()
            raise

    def _begin(
        self, side: int | None, max_pixels: int | None, listen: Callable[[tuple[Any, ...]], Listener] | None
    ) -> None:
        videos = [s for s in self._container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not videos:
            raise SourceError(self.content, "there is no video in it")
        self._video = video = videos[0]
        video.thread_type = "AUTO"
        self.shift = max(0, self._container.start_time or 0)
        if listen is not None and self._container.streams.audio:
            self._listener = listen(tuple(self._container.streams.audio))
        self._decoding = self._decoded()
        first = next(self._decoding, None)
        if first is None:
            raise SourceError(self.content, "none of its frames can be decoded")
        self._first = first
        self._turns = round(first.rotation / 90) % 4
        width, height = (first.width, first.height) if self._turns % 2 == 0 else (first.height, first.width)
        if max_pixels is not None and width * height > max_pixels:
            raise SourceError(self.content, f"{width} x {height} is over max_pixels={max_pixels}")
        if side is not None and min(width, height) > side:
            scale = side / min(width, height)
            width, height = round(width * scale), round(height * scale)
        if min(width, height) < 16:
            raise SourceError(self.content, f"{width} x {height} is below 16 x 16")
        rate = video.average_rate or video.guessed_rate or Fraction(25)
        self.form = _form(first, width, height, video, rate, self._turns % 2 == 1)
        if any(tag in (16, 18) for tag in self.form.tags[3:]):
            self.notes.append("the video is HDR: its result has 8 bits a color, tagged as HDR too")
        length = self._length()
        self.total = video.frames or (round(length * rate) if length else None)
        if self._seconds is not None:
            most = max(1, round(self._seconds * rate))
            self.total = min(self.total, most) if self.total else most

    def frames(self, after: int | None, ahead: int) -> Iterator[Frame]:
        """Yield frames, decoded in a thread of their own while the last ones are worked on.

        Args:
            after: Only those that are shown later than this.
            ahead: At most so many wait to be taken.
        """
        waiting: queue.Queue[Frame | BaseException | None] = queue.Queue(ahead)

        def put(item: Frame | BaseException | None) -> None:
            while not self._stop.is_set():
                try:
                    return waiting.put(item, timeout=0.1)
                except queue.Full:
                    continue

        def read() -> None:
            try:
                for frame in self._timed(after):
                    put(frame)
                    if self._stop.is_set():
                        return
                put(None)
            except BaseException as error:  # it is raised where the frames are taken
                put(error)

        self._thread = threading.Thread(target=read, name="video", daemon=True)
        self._thread.start()
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """End reading, and listening to the audio."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            if self._thread.is_alive():  # it waits for a pipe: what it reads from may not be taken away from it
                return
        if self._listener is not None:
            self._listener.close()
        self._container.close()

    def _timed(self, after: int | None) -> Iterator[Frame]:
        base, rate = self.form.time_base, self.form.rate
        offset: int | None = round(Fraction(self.shift, av.time_base) / base) if self.shift else None
        step = max(1, round(1 / (rate * base)))
        last: int | None = None
        end = 0
        for frame in self._rest():
            pts = frame.pts if frame.pts is not None else (end + (offset or 0) if last is not None else offset or 0)
            if offset is None:
                offset = min(0, pts) if not self.live else pts
            pts = max(0, pts - offset)
            if last is not None and pts <= last:  # broken times: no frame is lost for them
                pts = last + 1
            if self._seconds is not None and pts * base >= self._seconds:
                return
            duration = int(frame.duration or 0)
            last, end = pts, pts + (duration or step)
            if after is None or pts > after:
                yield Frame(self._pixels(frame), pts, duration)
        self._note_end(end)

    def _rest(self) -> Iterator[av.VideoFrame]:
        yield self._first
        yield from self._decoding

    def _pixels(self, frame: av.VideoFrame) -> Pixels:
        form = self.form
        width, height = (form.width, form.height) if self._turns % 2 == 0 else (form.height, form.width)
        if frame.format.has_palette or frame.format.name in ("bgra", "rgba", "argb", "abgr"):
            frame = _on_white(frame)
        rgb = frame.reformat(
            width,
            height,
            "rgb24",
            src_colorspace=form.matrix,
            src_color_range=2 if form.full_range else 1,
            interpolation=EXACT,
        ).to_ndarray()
        upright = np.rot90(rgb, self._turns)  # a positive rotation is counter-clockwise in both
        return np.ascontiguousarray(upright)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be had: damage is skipped, and the end may come early."""
        streams = [self._video, *(self._listener.streams if self._listener else ())]
        packets = self._container.demux(*streams)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self.notes.append(f"content={self.content} breaks off ({_reason(error)}): what could be read is done")
                packet = None
            if packet is not None and packet.stream is not self._video:
                if self._listener is not None:
                    self._listener.take(packet)
                continue
            try:
                yield from self._video.decode(packet)
            except (av.FFmpegError, EOFError):
                self._damaged += packet is not None
            if packet is None:
                return

    def _length(self) -> float | None:
        if self._video.duration and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        return self._container.duration / av.time_base if self._container.duration else None

    def _note_end(self, end: int) -> None:
        if self._damaged:
            self.notes.append(f"{self._damaged} damaged pieces of content={self.content} could not be decoded")
        length, read = self._length(), float(end * self.form.time_base)
        if not self.notes and length and read < length - max(0.5, 0.1 * length):
            self.notes.append(
                f"content={self.content} ends after {read:.1f} of its {length:.1f} seconds: what could be read is done"
            )


class Recorder:
    """Keeps the audio packets of a source that cannot be read twice, in a file."""

    def __init__(self, path: Path, streams: tuple[Any, ...]) -> None:
        self.streams = streams
        self._out = av.open(str(path), "w", format="nut")
        self._copies = {stream.index: self._out.add_stream_from_template(stream) for stream in streams}

    def take(self, packet: Any) -> None:
        """Write a packet."""
        if packet.dts is not None:
            packet.stream = self._copies[packet.stream.index]
            self._out.mux(packet)

    def close(self) -> None:
        """End the file."""
        self._out.close()


def _opened(content: str) -> Any:
    check_live(content)
    try:
        if content == "-":
            return av.open("pipe:0")
        return av.open(**_camera(content)) if is_live(content) else av.open(content)
    except (av.FFmpegError, OSError) as error:
        raise SourceError(content, _reason(error)) from None


def _camera(content: str) -> dict[str, Any]:
    number = camera_number(content)
    if sys.platform == "darwin":
        return {"file": number, "format": "avfoundation", "options": {"framerate": "30"}}
    return {"file": f"/dev/video{number}", "format": "v4l2"}


def _form(first: av.VideoFrame, width: int, height: int, video: Any, rate: Fraction, turned: bool) -> Form:
    name = first.format.name
    rgb = first.format.is_rgb or first.format.has_palette or name.startswith(("gray", "mono"))
    if rgb:
        matrix, full, tags = 1, False, (1, 1, 1, 1)
    else:
        full = int(first.color_range) == 2 or name.startswith("yuvj")
        matrix = _MATRICES.get(int(first.colorspace), 1 if max(first.height, first.width * 9 // 16) > _HD else 5)
        tags = (
            int(first.colorspace),
            2 if full else int(first.color_range),
            int(first.color_primaries),
            int(first.color_trc),
        )
    aspect = Fraction(video.sample_aspect_ratio or 1) or Fraction(1)
    base = Fraction(video.time_base or 1 / rate)
    return Form(width, height, base, Fraction(rate), matrix, full, tags, 1 / aspect if turned else aspect)


def _on_white(frame: av.VideoFrame) -> av.VideoFrame:
    rgba = frame.reformat(format="rgba").to_ndarray().astype(np.uint16)
    share = rgba[..., 3:]
    laid = (rgba[..., :3] * share + 255 * (255 - share) + 127) // 255
    return av.VideoFrame.from_ndarray(laid.astype(np.uint8), format="rgb24")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
