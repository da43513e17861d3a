"""Reading a video: frames as RGB, upright, with the times and colors that the result must keep, and the audio's packets."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from adain.inference.request import check_pipe, is_live
from adain.inference.video.formats import deinterlaced, has_alpha, open_pictures, orientation
from adain.runtime.errors import UserError

Pixels = NDArray[np.uint8]
"""``H x W x 3``, RGB."""

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
"""How swscale is to convert colors: within one level of the formulas, where its default is faster and several off."""

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # AVColorSpace to swscale's names; 5 and 6 are both BT.601
_HD = 576  # rows: above it, players take an untagged video for BT.709, else for BT.601
_INTERLEAVED = 60  # seconds of the video that a file may hold before the audio of the same time
BACK = 0.5  # seconds that times go back where a recording is joined to another; less is a broken time
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave WebM's alpha out


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
        duration: How long, in the same unit.
    """

    pixels: Pixels
    pts: int
    duration: int


@dataclass(frozen=True)
class Form:
    """What the result keeps of its source.

    Attributes:
        width, height: Of the upright, perhaps reduced frame.
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


class Source:
    """A video being read.

    Args:
        content: A file, by its content and not by its ending; ``-`` for a pipe on standard input (anything FFmpeg reads
            without going back: Matroska, Y4M, MPEG-TS).
        side: The shorter side is reduced to so many pixels, aspect kept, if it has more.
        seconds: Stop after so many.
        max_pixels: Larger frames are refused.
        listen: Whether to collect the audio's packets.

    Attributes:
        form: What the result keeps.
        live: Whether this is a pipe.
        total: How many frames there are to come, as far as the file says; None if it does not.
        audio: The audio streams, if they are listened to.
        heard: Their packets, as they are read. Whoever uses them takes them out.
        shift: Microseconds by which the source's times begin after 0.
        notes: What the user should know.

    Raises:
        SourceError: If there is nothing to read: no file, no video in it, no frame in the video.
    """

    def __init__(
        self,
        content: str,
        side: int | None = None,
        seconds: float | None = None,
        max_pixels: int | None = None,
        listen: bool = False,
    ) -> None:
        self.content, self.live, self.notes = content, is_live(content), list[str]()
        self.heard: deque[Any] = deque()
        self._seconds = seconds
        self._damaged, self._broken_off, self._transparent = 0, False, False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._container = _opened(content)
        try:
            self._begin(side, max_pixels, listen)
        except BaseException:
            self.close()
            raise

    def _begin(self, side: int | None, max_pixels: int | None, listen: bool) -> None:
        streams = self._container.streams
        videos = [s for s in streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not videos:
            raise SourceError(self.content, "there is no video in it")
        usable = [s for s in videos if s.codec_context is not None]
        if not usable:
            raise SourceError(self.content, "its video has a codec that this FFmpeg cannot decode")
        self._video = video = usable[0]
        self._decoder = _decoder(video)
        self.shift = max(0, self._container.start_time or 0)
        self.audio = tuple(streams.audio) if listen else ()
        self._packets = self._container.demux(video, *(s for s in self.audio if s.codec_context is not None))
        self._decoding = self._decoded()
        first = next(self._decoding, None)
        if first is None:
            raise SourceError(self.content, "none of its frames can be decoded")
        self._first = first
        self._turned = orientation(first)
        width, height = first.width, first.height
        if self._turned.transposed:
            width, height = height, width
        if max_pixels is not None and width * height > max_pixels:
            raise SourceError(self.content, f"{width} x {height} is over max_pixels={max_pixels}")
        if side is not None and min(width, height) > side:
            scale = side / min(width, height)  # the longer side becomes even, which video needs
            width, height = (
                side if length <= min(width, height) else 2 * round(length * scale / 2) for length in (width, height)
            )
        if min(width, height) < 16:
            raise SourceError(self.content, f"{width} x {height} is below 16 x 16")
        rate = video.average_rate or video.guessed_rate or Fraction(25)
        self.form = _form(first, width, height, video, rate, self._turned.transposed)
        length = self._length()
        self.total = video.frames or (round(length * rate) if length else None)
        if self._seconds is not None:
            most = max(1, round(self._seconds * rate))
            self.total = min(self.total, most) if self.total else most
        self._note_what_changes(first, len(videos), len(streams.subtitles))

    def _note_what_changes(self, first: av.VideoFrame, videos: int, subtitles: int) -> None:
        """Note what the result cannot keep."""
        if videos > 1:
            self.notes.append(f"the file has {videos} video tracks: the first that can be decoded is used")
        if subtitles:
            self.notes.append("subtitles are left out")
        if self._turned.slanted:
            self.notes.append("the video is tagged to be turned by a slant angle: only quarter turns are applied")
        if first.interlaced_frame:
            self.notes.append("the video is interlaced: it is deinterlaced")
        if any(tag in (16, 18) for tag in self.form.tags[3:]):
            self.notes.append("the video is HDR: its result has 8 bits a color, tagged as HDR too")
        elif (bits := max(part.bits for part in first.format.components)) > 8:
            self.notes.append(f"the video has {bits} bits a color: its result has 8")

    def frames(self, ahead: int) -> Iterator[Frame]:
        """Yield frames, decoded in a thread of their own while the last ones are worked on.

        Args:
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
                for frame in self._timed():
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
        """End reading."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            if self._thread.is_alive():  # it waits for a pipe: what it reads from may not be taken away from it
                return
        self._container.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _timed(self) -> Iterator[Frame]:
        base, rate = self.form.time_base, self.form.rate
        offset: int | None = round(Fraction(self.shift, av.time_base) / base) if self.shift else None
        step = max(1, round(1 / (rate * base)))
        last: int | None = None
        end = 0
        for frame in deinterlaced(chain([self._first], self._decoding), base):
            pts = frame.pts if frame.pts is not None else end + (offset or 0)
            if offset is None:
                offset = min(0, pts) if not self.live else pts
            if last is not None and (last + offset - pts) * base > BACK:  # another recording is joined to this one
                offset = pts - end
            pts = max(0, pts - offset)
            if last is not None and pts <= last:  # broken times: no frame is lost for them
                pts = last + 1
            if self._seconds is not None and pts * base >= self._seconds:
                self._hear_the_rest(self._seconds)
                return
            duration = int(frame.duration or 0) or step
            last, end = pts, pts + duration
            yield Frame(self._pixels(frame), pts, duration)
        self._note_end(end)

    def _pixels(self, frame: av.VideoFrame) -> Pixels:
        form = self.form
        width, height = (form.height, form.width) if self._turned.transposed else (form.width, form.height)
        colors = {"src_colorspace": form.matrix, "src_color_range": 2 if form.full_range else 1}
        if has_alpha(frame):
            frame = self._on_white(frame.reformat(format="rgba", interpolation=EXACT, **colors).to_ndarray())
            colors = {}
        rgb = frame.reformat(width, height, "rgb24", interpolation=EXACT, **colors).to_ndarray()
        return np.ascontiguousarray(self._turned.apply(rgb))

    def _on_white(self, rgba: NDArray[Any]) -> av.VideoFrame:
        share = rgba[..., 3:].astype(np.uint16)
        if not self._transparent and share.min() < 255:
            self.notes.append("the video is transparent: it is laid on white")
            self._transparent = True
        laid = (rgba[..., :3] * share + 255 * (255 - share) + 127) // 255
        return av.VideoFrame.from_ndarray(laid.astype(np.uint8), format="rgb24")

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield every frame that can be had: damage is skipped, and the end may come early."""
        while True:
            packet = self._next_packet()
            if packet is not None and packet.stream is not self._video:
                self.heard.append(packet)
                continue
            try:
                yield from self._decoder.decode(packet)
            except (av.FFmpegError, EOFError):
                self._damaged += packet is not None
            if packet is None:
                return

    def _next_packet(self) -> Any:
        """Return the next packet of the video or the audio; None at the end."""
        while True:
            try:
                packet = next(self._packets, None)
            except av.FFmpegError as error:
                self.notes.append(f"content={self.content} breaks off ({_reason(error)}): what could be read is done")
                self._broken_off = True
                return None
            if packet is None or packet.size or packet.stream is self._video:  # without the audio's flush at the end
                return packet

    def _hear_the_rest(self, seconds: float) -> None:
        """Collect the audio up to a time, of a file that holds it behind the video of that time."""
        left = {stream.index for stream in self.audio if stream.codec_context is not None}
        while left and not self.live and not self._stop.is_set() and (packet := self._next_packet()) is not None:
            now = 0.0 if packet.dts is None else float(packet.dts * packet.time_base) - self.shift / av.time_base
            if packet.stream is not self._video:
                self.heard.append(packet)
                left -= {packet.stream.index} if now >= seconds else set()
            elif now > seconds + _INTERLEAVED:  # the tracks that are left have ended
                return

    def _length(self) -> float | None:
        """Return how many seconds the video has, as far as the file says; of one with audio, it may be the audio's."""
        if self._video.duration and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        if tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", self._video.metadata.get("DURATION", "")):  # Matroska's
            hours, minutes, seconds = map(float, tag.groups())
            return 3600 * hours + 60 * minutes + seconds
        return self._container.duration / av.time_base if self._container.duration else None

    def _note_end(self, end: int) -> None:
        if self._damaged:
            self.notes.append(f"damaged pieces of content={self.content} could not be decoded: {self._damaged}")
        length, read = self._length(), float(end * self.form.time_base)
        if not self._damaged and not self._broken_off and length and read < length - max(0.5, 0.1 * length):
            self.notes.append(
                f"content={self.content} ends after {read:.1f} of its {length:.1f} seconds: what could be read is done"
            )


def _opened(content: str) -> Any:
    if is_live(content):
        check_pipe()
    try:
        if is_live(content):
            return av.open("pipe:0")
        # an absolute path, or FFmpeg takes what is before a colon for a protocol
        return open_pictures(content) or av.open(os.path.abspath(content))
    except (av.FFmpegError, OSError, ValueError, EOFError) as error:  # the last two are Pillow's
        raise SourceError(content, _reason(error)) from None


def _decoder(video: Any) -> Any:
    """Return what decodes a stream, with its alpha."""
    name = _ALPHA_DECODERS.get(video.codec_context.name)
    if name is not None and video.metadata.get("alpha_mode") == "1":
        with suppress(av.FFmpegError, ValueError):  # an FFmpeg without it
            return av.CodecContext.create(name, "r")
    video.thread_type = "AUTO"
    return video.codec_context


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


def _reason(error: BaseException) -> str:
    if isinstance(error, av.InvalidDataError):  # FFmpeg says no more than that
        return "empty, damaged, cut off before its index, or not a video"
    return str(getattr(error, "strerror", None) or error).splitlines()[0].lower()
