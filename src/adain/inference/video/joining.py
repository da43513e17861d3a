"""The parts of a result into one file, without encoding them again, and the source's audio beside them."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from adain.inference.video.source import Form

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_AUDIO = {".webm": "libopus"}  # what audio becomes that the container cannot hold; else AAC

Timed = tuple[float, int, Any]
"""Seconds, a number that orders equal ones, and a packet."""


def join(parts: Sequence[Path], out: Path, form: Form, audio: Path | None, shift: int, cut: bool) -> list[str]:
    """Write ``out``, which is not yet under the name that the user gave.

    Args:
        parts: Files of the same encoder and settings, each beginning with a key frame.
        out: The file; its ending says the container.
        form: The source's.
        audio: Where the audio is; None if there is none.
        shift: Microseconds by which the source's times begin after 0.
        cut: Whether audio after the last frame is left out.

    Returns:
        What the user should know.
    """
    notes: list[str] = []
    times = [pts for _, pts in _packets(parts, form)]
    order = sorted(times)
    # decoding times: of the n-th packet that of the n-th frame, less the encoder's reordering over all parts
    delay = max((index - bisect_left(order, pts) for index, pts in enumerate(times)), default=0)
    matroska = out.suffix in (".mkv", ".webm")  # it stores no decoding times, but moves everything if one is below 0
    options = {} if matroska else {"movflags": "+faststart"}
    with ExitStack() as stack:
        target = stack.enter_context(av.open(str(out), "w", format=_FORMATS[out.suffix], options=options))
        first = stack.enter_context(av.open(str(parts[0])))
        video = target.add_stream_from_template(first.streams.video[0])
        video.time_base, video.codec_context.framerate = form.time_base, form.rate.limit_denominator(100_000)
        streams: list[Iterator[Timed]] = [_video(parts, video, form, order, delay, matroska)]
        if audio is not None:
            source = stack.enter_context(av.open(str(audio)))
            end = float((order[-1] + 1 / (form.rate * form.time_base)) * form.time_base) if cut else None
            for stream in source.streams.audio:
                streams.append(_audio(stream, target, out.suffix, shift, end, notes, audio, stack))
        for _, _, packet in heapq.merge(*streams, key=lambda timed: timed[:2]):
            target.mux(packet)
    return notes


def _packets(parts: Sequence[Path], form: Form) -> Iterator[tuple[Any, int]]:
    """Yield the frames' packets in the order they are decoded, and when they are shown, in the source's time base."""
    for part in parts:
        with av.open(str(part)) as container:
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    yield packet, round(packet.pts * packet.time_base / form.time_base)


def _video(
    parts: Sequence[Path], stream: Any, form: Form, order: list[int], delay: int, matroska: bool
) -> Iterator[Timed]:
    step = max(1, round(1 / (form.rate * form.time_base)))
    for index, (packet, pts) in enumerate(_packets(parts, form)):
        place = bisect_left(order, pts)
        dts = order[index - delay] if index >= delay else order[0] - (delay - index) * step
        packet.time_base = form.time_base
        packet.pts, packet.dts = pts, max(dts, order[0]) if matroska else dts
        packet.duration = order[place + 1] - pts if place + 1 < len(order) else step
        packet.stream = stream
        yield float(packet.dts * form.time_base), 0, packet


def _audio(
    stream: Any,
    target: Any,
    ending: str,
    shift: int,
    end: float | None,
    notes: list[str],
    path: Path,
    stack: ExitStack,
) -> Iterator[Timed]:
    name = stream.codec_context.name
    known = {name, stream.codec.canonical_name}
    if known & set(target.supported_codecs):
        copy = target.add_stream_from_template(stream)
        made = _copied(stream, copy, path, shift)
    else:
        encoder = _AUDIO.get(ending, "aac")
        notes.append(
            f"the audio was {name}, which {ending} cannot hold: it is encoded as {encoder.removeprefix('lib')}"
        )
        rate = 48000 if encoder == "libopus" else stream.codec_context.sample_rate
        copy = target.add_stream(encoder, rate=rate)
        copy.codec_context.layout = stream.codec_context.layout.name
        made = _encoded(stream, copy, path, shift)
    return (timed for timed in made if end is None or timed[0] < end)


def _copied(stream: Any, copy: Any, path: Path, shift: int) -> Iterator[Timed]:
    base = stream.time_base
    ticks = round(Fraction(shift, av.time_base) / base)
    with av.open(str(path)) as source:
        for packet in _to_the_end(source, stream.index):
            packet.dts -= ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.stream = copy
            yield float(packet.dts * base), 1 + stream.index, packet


def _encoded(stream: Any, copy: Any, path: Path, shift: int) -> Iterator[Timed]:
    ticks = round(Fraction(shift, av.time_base) / stream.time_base)
    with av.open(str(path)) as source:
        own = source.streams[stream.index]
        fifo = av.AudioResampler(
            format=copy.codec_context.format or "fltp",
            layout=copy.codec_context.layout,
            rate=copy.codec_context.sample_rate,
        )
        frames = (frame for packet in _to_the_end(source, stream.index) for frame in own.decode(packet))
        for frame in frames:
            frame.pts = None if frame.pts is None else frame.pts - ticks
            for piece in fifo.resample(frame):
                yield from _timed(copy.encode(piece), stream.index)
        for piece in fifo.resample(None):
            yield from _timed(copy.encode(piece), stream.index)
        yield from _timed(copy.encode(None), stream.index)


def _timed(packets: Any, index: int) -> Iterator[Timed]:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), 1 + index, packet


def _to_the_end(source: Any, index: int) -> Iterator[Any]:
    """Yield the packets of a stream, of a file that may break off."""
    packets = source.demux(source.streams[index])
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        if packet.dts is not None:
            yield packet
