"""A video in the style of pictures, from file to file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from adain.data.image_io import Picture
from adain.data.picture import MAX_PIXELS
from adain.functional.statistics import Statistics, join
from adain.inference.request import check_request
from adain.inference.stylizer import Style, Stylizer, Tile
from adain.inference.video.smoothing import Cuts, Recoloring, Smoother
from adain.inference.video.source import Frame, Source
from adain.inference.video.writing import Writer, even, writing
from adain.metrics.flicker import frame_change
from adain.runtime.errors import UserError
from adain.runtime.schema import VIDEO_RESULTS, PreserveColor


class Report(NamedTuple):
    """What was made.

    Attributes:
        frames: Of the result.
        seconds: That making them took.
        width, height: Of the result.
        flicker: The result's change from frame to frame minus the source's; NaN of a single frame.
        change: Mean change from frame to frame of the result and of the source, in [0, 1].
        scenes: That were told apart.
        notes: What the user should know.
    """

    frames: int
    seconds: float
    width: int
    height: int
    flicker: float
    change: tuple[float, float]
    scenes: int
    notes: list[str]


def stylize_video(
    stylizer: Stylizer,
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
    stroke: float | None = None,
    temporal: float = 0.8,
    side: int | None = None,
    seconds: float | None = None,
    crf: int = 18,
    batch_size: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int, int | None], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Report:
    """Stylize every frame of a video in one style or a mix of several.

    Size (upright), times of the frames, length, color matrix and range are the source's. Its audio is copied; what the
    result's container cannot hold is encoded, and what cannot be decoded is left out. Subtitles and other streams are left
    out. A file gets its name when it is whole; nothing is left of one that was cut. To an open file the result goes as it is
    made, frame by frame.

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
        stroke: See ``Stylizer.stylize``.
        temporal: From 0 to 1: how much the content's statistics are averaged over the frames of a scene; see ``Smoother``.
        side: The shorter side is reduced to so many pixels.
        seconds: Stop after so many.
        crf: Quality, in x264's scale: 0 is lossless, 18 hardly to be told from it, 23 x264's default, 51 the worst.
        batch_size: Frames at a time; by default 8 on a GPU and 1 on a CPU.
        max_pixels: Larger frames are refused.
        progress: Called with the number of frames that are done and of all, if that is known.
        say: Called with what is known before the first frame is made of what the result cannot keep, sentence by sentence.

    Raises:
        UserError: If something is out of its range, cannot be read or cannot be written.
    """
    check_request(len(styles), alpha, weights, None if masks is None else len(masks), preserve_color, extrapolate)
    target = Path(out) if isinstance(out, str | Path) else out
    _check(target, temporal, side, seconds, crf)
    options: dict[str, Any] = {
        "alpha": alpha, "weights": weights, "masks": masks, "extrapolate": extrapolate, "tile": tile, "stroke": stroke,
        "preserve_color": "luminance" if preserve_color == "luminance" else "none",
    }  # fmt: skip
    with (
        Source(str(content), side, seconds, max_pixels, listen=True) as source,
        writing(target, source, crf, cut=seconds is not None) as writer,
    ):
        source.notes += writer.notes
        for note in source.notes:
            if say is not None:
                say(note)
        return _Work(stylizer, source, styles, temporal, preserve_color, batch_size).run(writer, options, progress)


def _check(out: Path | BinaryIO, temporal: float, side: object, seconds: float | None, crf: int) -> None:
    if isinstance(out, Path) and not out.name.lower().endswith(VIDEO_RESULTS):
        raise UserError(
            f"out={out.name} has no video's ending: give {', '.join(VIDEO_RESULTS[:-1])} or {VIDEO_RESULTS[-1]}"
        )
    if not 0 <= temporal <= 1:
        raise UserError(f"temporal={temporal} is out of range: give 0 (each frame by itself) to 1 (the scene's first)")
    if side is not None and (isinstance(side, bool) or not isinstance(side, int) or side < 16):
        raise UserError(f"side={side} cannot be used: give the pixels of the shorter side, at least 16, or null")
    if seconds is not None and (isinstance(seconds, str | bool) or not seconds > 0):
        raise UserError(f"seconds={seconds} cannot be used: give a number above 0, or null for the whole")
    if not 0 <= crf <= 51:
        raise UserError(f"crf={crf} is out of range: give 0 (lossless) to 51 (worst); 18 is the default")


class _Work:
    """The loop over frames and what it carries from batch to batch."""

    def __init__(
        self,
        stylizer: Stylizer,
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

    def run(
        self, writer: Writer, options: dict[str, Any], progress: Callable[[int, int | None], None] | None
    ) -> Report:
        """Make and write every frame."""
        start, total = time.perf_counter(), self.source.total
        if self.recoloring is None:
            self.encoded = self.stylizer.encode_style(self.styles)
        if progress is not None:
            progress(0, total)
        frames = self.source.frames(ahead=2 * self.batch_size + 2)
        while batch := list(islice(frames, self.batch_size)):
            for frame in self._made(batch, options):
                writer.write(frame)
            if progress is not None:
                progress(self.frames, total)
        transitions = self.frames - 1
        result, content = (total / transitions if transitions else float("nan") for total in self.sums)
        return Report(
            self.frames,
            time.perf_counter() - start,
            even(self.source.form.width),
            even(self.source.form.height),
            result - content,
            (result, content),
            self.scenes,
            self.source.notes,
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
        return [join(style) for style in zip(*each, strict=True)]

    def _measure(self, pixels: Tensor, made: Tensor) -> None:
        for index, frames in enumerate((made, pixels)):
            joined = torch.cat([self.last[index][None], frames]) if self.last else frames
            if len(joined) > 1:
                self.sums[index] += float(frame_change(joined).sum()) / 255
        self.last = [made[-1], pixels[-1]]
