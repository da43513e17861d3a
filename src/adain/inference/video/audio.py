"""The audio of a result: each track is copied if the container can hold it, else encoded, else left out."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import islice
from typing import Any

import av

from adain.inference.video.source import BACK, Source

_ENCODERS = {"webm": "libopus"}  # for audio that the container cannot hold; else AAC
_BITS = 96_000  # a second and channel of encoded audio
_FIRST = 8  # packets of a track that are tried beforehand
_SEARCHED = 5000  # packets of the file that are read to find them


class Track:
    """One audio track, from the source's packets to the result's.

    Args:
        stream: The source's.
        target: The result's container.
        name: How the result is called, for messages.
        source: Whose stream it is.

    Attributes:
        note: What the user should know; None of a track that is copied.
        damaged: How many of its packets could not be used.

    Raises:
        ValueError: If it can be neither copied nor encoded. The message says why.
    """

    def __init__(self, stream: Any, target: Any, name: str, source: Source) -> None:
        if stream.codec_context is None:
            raise ValueError("has a codec that this FFmpeg cannot decode")
        self.note: str | None = None
        self.damaged = 0
        self._stream, self._shift = stream, Fraction(source.shift, av.time_base)
        self._end: int | None = None  # of the last packet that was read
        self._last: int | None = None  # decoding time of the last one that was made, which must rise
        held, decoded = _try(stream, target.format.name, None if source.live else source.content)
        codec = stream.codec.canonical_name
        self._encodes = not held
        if not self._encodes:
            self._out = target.add_stream_from_template(stream)
        else:
            if not decoded:
                raise ValueError(f"is {codec}, which {name} cannot hold and which cannot be decoded")
            encoder = _ENCODERS.get(target.format.name, "aac")
            self._out = _add_encoder(target, encoder, stream.codec_context)
            self._resampler: Any = None
            self._form: tuple[Any, ...] | None = None
            self.note = f"is {codec}, which {name} cannot hold: it is encoded as {encoder.removeprefix('lib')}"
        self._out.metadata.update(
            {key: stream.metadata[key] for key in ("language", "title") if key in stream.metadata}
        )
        self._out.disposition = stream.disposition

    def packets(self, packet: Any) -> Iterator[Any]:
        """Yield the result's packets for one of the source's; None at the end."""
        if packet is not None:
            self._move(packet)
        if self._encodes:
            for frame in self._decoded(packet):
                yield from self._in_order(self._out.encode(frame))
            if packet is None:
                yield from self._in_order(self._out.encode(None))
        elif packet is not None:
            packet.stream = self._out
            yield from self._in_order([packet])

    def _move(self, packet: Any) -> None:
        """Count a packet's times from the start of the video; of a joined recording, from the end of the one before."""
        ticks = round(self._shift / packet.time_base)
        if self._end is not None and (self._end + ticks - packet.dts) * packet.time_base > BACK:
            ticks = packet.dts - self._end
            self._shift = ticks * packet.time_base
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - ticks
        packet.dts -= ticks
        self._end = packet.dts + (packet.duration or 0)

    def _decoded(self, packet: Any) -> Iterator[Any]:
        """Yield what is in a packet as the encoder takes it. Damage is skipped."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except (av.FFmpegError, EOFError):
            frames = []
            self.damaged += packet is not None
        for frame in frames:
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form != self._form:  # the first, or a broadcast changes from stereo to 5.1
                yield from self._resampler.resample(None) if self._resampler else ()
                context = self._out.codec_context
                self._resampler = av.AudioResampler(context.format, context.layout, context.sample_rate)
                self._form = form
            yield from self._resampler.resample(frame)
        if packet is None and self._resampler:
            yield from self._resampler.resample(None)

    def _in_order(self, packets: list[Any]) -> Iterator[Any]:
        """Yield packets with times that rise, which damaged files and joined recordings lack."""
        for packet in packets:
            if packet.dts is None:
                continue
            if self._last is not None and packet.dts <= self._last:
                packet.dts = self._last + 1
            packet.pts = max(packet.pts, packet.dts)
            self._last = packet.dts
            yield packet


def _try(stream: Any, container: str, content: str | None) -> tuple[bool, bool]:
    """Try a track's first packets. Only writing tells whether they can be copied: FFmpeg's tables promise more.

    Args:
        stream: The track.
        container: FFmpeg's name of the result's.
        content: The file; None of a pipe, which cannot be read twice: only the header is tried then.

    Returns:
        Whether the container takes the track as it is, and whether the track can be decoded.
    """
    packets: list[Any] = []
    decoded: list[Any] = []
    try:
        with ExitStack() as stack:
            if content is not None:
                source = stack.enter_context(av.open(os.path.abspath(content)))
                packets = _first_packets(source, stream.index)
                for packet in packets:
                    with suppress(av.FFmpegError, EOFError):
                        decoded += packet.decode()
            trial = stack.enter_context(av.open(io.BytesIO(), "w", format=container))
            copy = trial.add_stream_from_template(stream)
            trial.start_encoding()
            for packet in packets:
                packet.stream = copy
                trial.mux(packet)
        held = True
    except (av.FFmpegError, ValueError):
        held = False
    return held, bool(decoded) or not packets


def _first_packets(container: Any, index: int) -> list[Any]:
    """Return the first packets of a track, if there are any near the file's beginning."""
    found: list[Any] = []
    with suppress(av.FFmpegError):  # it breaks off
        for packet in islice(container.demux(), _SEARCHED):
            if packet.stream.index == index and packet.size and packet.dts is not None:
                found.append(packet)
                if len(found) == _FIRST:
                    break
    return found


def _add_encoder(target: Any, encoder: str, source: Any) -> Any:
    """Add a track that is encoded at the source's rate and layout, or the nearest that the encoder knows."""
    known: Any = av.Codec(encoder, "w")
    rates = known.audio_rates or [48000]
    asked = source.sample_rate or 48000  # some files do not say
    rate = min((rate for rate in rates if rate >= asked), default=max(rates))
    usual = {1: "mono", 6: "5.1", 8: "7.1"}.get(source.layout.nb_channels, "stereo")
    for layout in (source.layout.name, usual):
        with suppress(av.FFmpegError, ValueError):
            trial: Any = av.CodecContext.create(encoder, "w")
            trial.layout, trial.sample_rate, trial.format = layout, rate, known.audio_formats[0]
            trial.open()
            break
    else:
        layout = "stereo"
    stream = target.add_stream(encoder, rate=rate, layout=layout)
    stream.codec_context.bit_rate = _BITS * stream.codec_context.layout.nb_channels
    return stream
