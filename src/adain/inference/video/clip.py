"""A video in the style of pictures, from file to file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import av
import torch
from torch import Tensor

from adain.data.image_io import Picture
from adain.data.picture import MAX_PIXELS
from adain.functional.statistics import Statistics
from adain.inference.request import check_request, check_side, check_video, is_live
from adain.inference.stylizer import Style, Tile
from adain.inference.video.joining import join
from adain.inference.video.parts import CODECS, PART, Parts, even
from adain.inference.video.smoothing import Cuts, Recoloring, Smoother
from adain.inference.video.source import Frame, Recorder, Source
from adain.inference.video.stream import Stream
from adain.metrics.flicker import frame_change
from adain.runtime.errors import UserError
from adain.runtime.schema import PreserveColor


class Renderer(Protocol):
    """What is asked of a ``Stylizer``."""

    device: torch.device

    def encode_style(self, style: Any, recolor: Any = None) -> Any:
        """See ``Stylizer.encode_style``."""

    def stylize(self, content: Any, **options: Any) -> Any:
        """See ``Stylizer.stylize``."""


class Report(NamedTuple):
    """What was made.

    Attributes:
        frames: Of the whole result.
        resumed: How many of them an earlier run had made.
        seconds: That making the others took, without joining.
        width: Of the result.
        height: Of the result.
        flicker: The result's change from frame to frame minus the source's; NaN of a single frame.
        change: Mean change from frame to frame of the result and of the source, in [0, 1].
        scenes: That were told apart.
        notes: What the user should know.
    """

    frames: int
    resumed: int
    seconds: float
    width: int
    height: int
    flicker: float
    change: tuple[float, float]
    scenes: int
    notes: list[str]


def stylize_video(
    stylizer: Renderer,
    content: str | Path,
    out: str | Path | BinaryIO,
    styles: Sequence[Style],
    alpha: float = 1.0,
    *,
    weights: Sequence[float] | None = None,
    masks: Sequence[Picture] | None = None,
    preserve_color: PreserveColor = "none",
    extrapolate: bool = False,
    tile: Tile = "auto",
    temporal: float = 0.8,
    side: int | None = None,
    seconds: float | None = None,
    crf: int = 18,
    batch_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    settings: dict[str, Any] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Report:
    """Stylize every frame of a video in one style or a mix of several.

    Size (upright), times of the frames, length, color matrix and range are the source's; its audio is copied. Subtitles
    and other streams are left out. The result grows in ``.NAME.parts`` beside ``out`` and gets its name when it is whole; a
    call like one that was cut goes on where that one was. To an open file it goes as it is made, frame by frame.

    Args:
        stylizer: A ``Stylizer``.
        content: See ``video.source.Source``.
        out: An mp4, m4v, mov, mkv (H.264) or webm (VP9) file, or an open binary file or pipe, which gets Matroska.
        styles: One or more; see ``Stylizer.stylize``, as for ``alpha``, ``weights``, ``masks``, ``preserve_color``,
            ``extrapolate`` and ``tile``. They are encoded once. With ``coral`` they are encoded again whenever the scene's
            colors have changed visibly.
        alpha: 0 to 1.
        weights: One a style.
        masks: One a style, the same for all frames, resized to them.
        preserve_color: ``none``, ``coral`` or ``luminance``.
        extrapolate: Lets alpha go beyond 1.
        tile: For large frames.
        temporal: From 0 to 1: how much the content's statistics are averaged over the frames of a scene; see ``Smoother``.
        side: The shorter side is reduced to so many pixels.
        seconds: Stop after so many.
        crf: Quality, in x264's scale: 0 is lossless, 18 hardly to be told from it, 23 x264's default, 51 the worst.
        batch_size: Frames at a time; by default 8 on a GPU and 1 on a CPU.
        max_pixels: Larger frames are refused.
        settings: What else the frames depend on, such as digests of the styles and of the decoder: parts of a cut run with
            others are not used. JSON values.
        progress: Called with the number of frames that are done and of all, if that is known.

    Raises:
        UserError: If something is out of its range, cannot be read or cannot be written.
    """
    content = str(content)
    check_request(len(styles), alpha, weights, None if masks is None else len(masks), preserve_color, extrapolate)
    check_side(side)
    check_video(Path(out).name if isinstance(out, str | Path) else None, temporal, seconds, crf)
    options: dict[str, Any] = {
        "alpha": alpha, "weights": weights, "masks": masks, "extrapolate": extrapolate, "tile": tile,
        "preserve_color": "luminance" if preserve_color == "luminance" else "none",
    }  # fmt: skip
    if not isinstance(out, str | Path):
        with Stream(out, cut=seconds is not None) as stream:
            source = Source(content, side, seconds, max_pixels, stream.listen)
            try:
                stream.shift = source.shift
                work = _Work(stylizer, source, styles, temporal, preserve_color, batch_size)
                report = work.run(stream, CODECS[".mkv"], crf, options, progress)
            finally:
                source.close()
        return report._replace(notes=[*source.notes, *stream.notes, *_evened(source)])
    out, live = Path(out), is_live(content)
    asked = {
        "version": 1, "av": av.__version__, "content": _identity(content), "alpha": alpha, "temporal": temporal,
        "weights": weights and list(weights), "preserve_color": preserve_color, "masks": masks and len(masks), "tile": tile,
        "side": side, "seconds": seconds, "crf": crf, "batch_size": batch_size, "other": settings,
    }  # fmt: skip
    parts = Parts(out, asked, resumable=not live)
    done = False
    try:
        recorded = parts.folder / "audio.nut" if live else None
        source = Source(content, side, seconds, max_pixels, partial(Recorder, recorded) if recorded else None)
        try:
            work = _Work(stylizer, source, styles, temporal, preserve_color, batch_size)
            report = work.run(parts, CODECS[out.suffix.lower()], crf, options, progress)
        finally:
            source.close()
        audio = recorded if live else Path(content)
        if audio is not None and not (audio.exists() and _has_audio(audio)):
            audio = None
        whole = parts.folder / f"whole{out.suffix.lower()}"
        try:
            notes = join(parts.files, whole, source.form, audio, source.shift, seconds is not None)
            whole.replace(out)
        except (av.FFmpegError, OSError) as error:
            reason = str(getattr(error, "strerror", None) or error).lower()
            raise UserError(f"out={out} cannot be written ({reason}): give another folder, or make room") from None
        done = True
        return report._replace(notes=[*source.notes, *notes, *_evened(source)])
    finally:
        parts.close(done)


class _Work:
    """The loop over frames and what it carries from part to part."""

    def __init__(
        self,
        stylizer: Renderer,
        source: Source,
        styles: Sequence[Style],
        temporal: float,
        preserve_color: PreserveColor,
        batch_size: int | None,
    ) -> None:
        self.stylizer, self.source, self.styles = stylizer, source, list(styles)
        self.batch_size = batch_size or (8 if stylizer.device.type == "cuda" else 1)
        self.cuts, self.smoother = Cuts(), Smoother(temporal)
        self.recoloring = Recoloring(temporal) if preserve_color == "coral" else None
        self.encoded: list[Statistics] = []
        self.last: list[Tensor] = []  # the last frame of the source and of the result, for the flicker
        self.sums = [0.0, 0.0]
        self.frames = self.scenes = 0
        self.pts: int | None = None

    def run(
        self,
        parts: Parts | Stream,
        codec: str,
        crf: int,
        options: dict[str, Any],
        progress: Callable[[int, int | None], None] | None,
    ) -> Report:
        """Make the parts that are not there."""
        self._restore(parts.state)
        resumed, start = self.frames, time.perf_counter()
        if self.recoloring is None:
            self.encoded = self.stylizer.encode_style(self.styles)
        elif self.recoloring.used is not None:
            self.encoded = self.stylizer.encode_style(self.styles, self.recoloring.used)
        total = self.source.total
        if progress is not None:
            progress(self.frames, total)
        frames = self.source.frames(self.pts, ahead=2 * self.batch_size + 2)
        stopped = False
        while not stopped and (first := next(frames, None)) is not None:
            writer = parts.write(self.source.form, codec, crf)
            try:
                for batch in _batches(first, frames, self.batch_size):
                    writer.write(self._made(batch, options))
                    if progress is not None:
                        progress(self.frames, total)
            except KeyboardInterrupt:
                if not self.source.live or writer.frames == 0:
                    raise
                stopped = True  # how a camera is ended: what there is becomes the result
            writer.close()
            parts.commit(self._state())
        if parts.count == 0:
            raise UserError(f"content={self.source.content} has no frame: give another video")
        transitions = self.frames - 1
        change = tuple(total / transitions if transitions else float("nan") for total in self.sums)
        return Report(
            self.frames,
            resumed,
            time.perf_counter() - start,
            even(self.source.form.width),
            even(self.source.form.height),
            change[0] - change[1],
            (change[0], change[1]),
            self.scenes,
            [],
        )

    def _made(self, batch: list[Frame], options: dict[str, Any]) -> Iterator[Frame]:
        pixels = torch.stack([torch.from_numpy(frame.pixels).permute(2, 0, 1) for frame in batch]).contiguous()
        cuts = self.cuts.find(pixels)
        self.smoother.expect(cuts)
        styles = self.encoded if self.recoloring is None else self._recolored(pixels, cuts)
        made = self.stylizer.stylize(pixels, styles=styles, smooth=self.smoother, **options)
        self._measure(pixels, made)
        self.frames += len(batch)
        self.scenes += sum(cuts)
        self.pts = batch[-1].pts
        arrays = made.permute(0, 2, 3, 1).cpu().numpy()
        return (frame._replace(pixels=array) for frame, array in zip(batch, arrays, strict=True))

    def _recolored(self, pixels: Tensor, cuts: list[bool]) -> list[Statistics]:
        """Return the styles in the colors of each frame."""
        assert self.recoloring is not None
        each: list[list[Statistics]] = []
        for index, cut in enumerate(cuts):
            if (content_colors := self.recoloring.changed(pixels[index : index + 1], cut)) is not None:
                self.encoded = self.stylizer.encode_style(self.styles, content_colors)
            each.append(self.encoded)
        return [
            Statistics(*(torch.cat(parts) for parts in zip(*style, strict=True))) for style in zip(*each, strict=True)
        ]

    def _measure(self, pixels: Tensor, made: Tensor) -> None:
        for index, frames in enumerate((made, pixels)):
            joined = torch.cat([self.last[index][None], frames]) if self.last else frames
            if len(joined) > 1:
                self.sums[index] += float(frame_change(joined).sum()) / 255
        self.last = [made[-1], pixels[-1]]

    def _state(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "pts": self.pts,
            "scenes": self.scenes,
            "sums": self.sums,
            "last": [frame.clone() for frame in self.last],
            "cuts": self.cuts.state(),
            "smoother": self.smoother.state(),
            "recoloring": self.recoloring and self.recoloring.state(),
        }

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self.frames, self.pts, self.scenes = state["frames"], state["pts"], state["scenes"]
        self.sums, self.last = list(state["sums"]), state["last"]
        self.cuts.restore(state["cuts"])
        self.smoother.restore(state["smoother"])
        if self.recoloring is not None:
            self.recoloring.restore(state["recoloring"])


def _batches(first: Frame, frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Yield a part's frames, ``first`` among them, in batches. They end with the part, so that a resumed run has the same."""
    left = PART - 1
    batch = [first, *islice(frames, min(left, size - 1))]
    left -= len(batch) - 1
    while batch:
        yield batch
        batch = list(islice(frames, min(left, size)))
        left -= len(batch)


def _evened(source: Source) -> list[str]:
    """Return what is to be said of odd sides."""
    width, height = even(source.form.width), even(source.form.height)
    if (source.form.width, source.form.height) == (width, height):
        return []
    return [f"the result is {width} x {height}: video needs even sides, so the last row or column is there twice"]


def _identity(content: str) -> list[Any]:
    """Return what tells a file from a changed one of the same name."""
    try:
        found = Path(content).resolve()
        return [str(found), found.stat().st_size, found.stat().st_mtime_ns]
    except OSError:
        return [content]


def _has_audio(path: Path) -> bool:
    with av.open(str(path)) as container:
        return bool(container.streams.audio)
