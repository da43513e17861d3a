"""What FFmpeg leaves to its callers: which way up a frame is, whether it is transparent, and animated pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from adain.inference.video.kinds import is_animated

_ONE = 1 << 16  # 1 in the display matrix


class Orientation(NamedTuple):
    """How frames are turned to be shown: transposed first, then flipped.

    Attributes:
        transposed: Rows become columns.
        left_right: The columns' order is reversed.
        upside_down: The rows' order is reversed.
        slanted: The file asks for more than quarter turns can give.
    """

    transposed: bool = False
    left_right: bool = False
    upside_down: bool = False
    slanted: bool = False

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return an array ``H x W x C`` turned."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.upside_down else 1, :: -1 if self.left_right else 1]


def orientation(frame: av.VideoFrame) -> Orientation:
    """Return how a frame is turned, and perhaps mirrored, by the display matrix of its file."""
    side_data: Any = frame.side_data  # PyAV types it as a mapping of names
    found = side_data.get(Type.DISPLAYMATRIX)
    if found is None:
        return Orientation()
    # (x, y) of the frame is shown at (a x + c y, b x + d y); the matrix is stored as a b u, c d v, x y w
    a, b, _, c, d, *_ = (int(value) for value in np.frombuffer(bytes(found), np.int32))
    transposed = abs(c) > abs(a)
    across, down, rest = (c, b, (a, d)) if transposed else (a, d, (b, c))
    return Orientation(transposed, across < 0, down < 0, max(map(abs, rest)) > _ONE // 100)


def has_alpha(frame: av.VideoFrame) -> bool:
    """Return whether a frame's format has transparency, or a palette, which may."""
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def open_pictures(path: str) -> Any:
    """Return an animated WebP or AVIF as a video, of which FFmpeg would read the first frame; None of other files."""
    with open(path, "rb") as opened:
        head = opened.read(12)
    if (head[8:] != b"WEBP" and head[4:10] != b"ftypav") or not is_animated(path):
        return None
    from PIL import Image, ImageSequence

    file = tempfile.TemporaryFile()  # noqa: SIM115  # the container that is returned keeps it
    with Image.open(path) as pictures, av.open(file, "w", format="mov") as out:  # which keeps the last one's duration
        times = [0]
        for picture in ImageSequence.Iterator(pictures):
            picture.load()  # which tells its duration
            times.append(times[-1] + (int(picture.info.get("duration", 0)) or 100))  # as browsers show those without
        rate = Fraction(1000 * (len(times) - 1), times[-1]).limit_denominator(1000)
        video = out.add_stream("png", rate=rate, width=pictures.width, height=pictures.height, pix_fmt="rgba")
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        for picture, (start, end) in zip(ImageSequence.Iterator(pictures), pairwise(times), strict=True):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGBA")), format="rgba")
            frame.pts, frame.time_base = start, Fraction(1, 1000)
            for packet in video.encode(frame):
                packet.duration = end - start
                out.mux(packet)
    file.seek(0)
    return av.open(file)


def deinterlaced(frames: Iterable[av.VideoFrame], time_base: Fraction) -> Iterator[av.VideoFrame]:
    """Yield frames; of interlaced ones the first field, its missing lines filled in from the neighbors.

    Args:
        frames: In their order.
        time_base: Of their times, which stay.
    """
    graph: av.filter.Graph | None = None
    form: tuple[Any, ...] | None = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        kind = (frame.width, frame.height, frame.format.name)
        if graph is None or kind != form:  # the first, or they change in between
            if graph is not None:
                yield from _filtered(graph, None)
            graph, form = _deinterlacer(frame, time_base), kind
        yield from _filtered(graph, frame)
    if graph is not None:
        yield from _filtered(graph, None)


def _deinterlacer(frame: av.VideoFrame, time_base: Fraction) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _filtered(graph: av.filter.Graph, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
    graph.vpush(frame)
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            made = graph.vpull()
            if made.pts is not None:  # the filter counts in half ticks
                made.pts //= 2
            made.duration //= 2
            yield made
