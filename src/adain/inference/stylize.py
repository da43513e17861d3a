"""What ``make stylize`` does: plans the results of a request and makes them one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from adain.inference.inputs import Found
from adain.inference.jobs import Job, plan_jobs
from adain.inference.request import StylizeRequest
from adain.inference.results import PIPE, save, send, take_standard_output
from adain.inference.video.request import check_videos, describe, make_frame_grid, make_video
from adain.methods.interface import CAPABILITIES, known_method
from adain.runtime.errors import UserError
from adain.runtime.progress import Bar
from adain.training.checkpoints import resolve_checkpoint

if TYPE_CHECKING:
    from PIL import Image

    from adain.functional.statistics import Statistics
    from adain.inference.method_stylizer import MethodStylizer
    from adain.inference.stylizer import Stylizer


def stylize_files(request: StylizeRequest) -> None:
    """Make every result that is asked for, and print where it is. Unreadable inputs are skipped and listed at the end.

    Raises:
        UserError: If something cannot be used or written, or an input was unreadable.
    """
    sink = take_standard_output() if request.out == str(PIPE) else None
    jobs, masks = plan_jobs(request)
    source = _resolve_source(request)
    if not request.overwrite and sink is None:
        there = [job for job in jobs if job.out.exists()]
        jobs = [job for job in jobs if not job.out.exists()]
        if there:
            print(f"{len(there)} results are there already and stay (overwrite=false)")
        if not jobs:
            return
    check_videos(request, jobs)

    from adain.inference.method_stylizer import load_stylizer  # torch is imported from here on
    from adain.runtime.memory import keep_freed_memory

    keep_freed_memory()
    maker = ResultMaker(request, masks)
    maker.stylizer, decoder = load_stylizer(request, source)
    maker.source = source or ""
    unusable: dict[str, None] = {}
    done = 0
    try:
        with Bar(jobs, unit="result", desc="stylizing", disable=len(jobs) == 1, leave=False) as bar:
            for job in bar:
                try:
                    line = maker.make(job, decoder, sink)
                except UnreadableInput as reason:
                    unusable[str(reason)] = None
                    continue
                done += 1
                Bar.write(line if job.content.video or len(jobs) == 1 else str(job.out))
    except (KeyboardInterrupt, SystemExit):
        if len(jobs) > 1:
            print(f"{done} of {len(jobs)} results are made: overwrite=false keeps them", file=sys.stderr)
        raise
    if len(jobs) > 1:
        print(f"{done} of {len(jobs)} results made  ({decoder})")
    if unusable:
        listed = "; ".join(unusable)
        if len(unusable) > 5:
            print(*unusable, sep="\n", file=sys.stderr)
            listed = f"{len(unusable)} inputs, listed above, cannot be used"
        rest = "" if len(jobs) == 1 else f"; the {done} results without them are done"
        another = "another" if any(job.content.video for job in jobs) else "another picture"
        raise UserError(f"{listed}: give {another}{rest}")


def _resolve_source(request: StylizeRequest) -> str | None:
    """Return the model's checkpoint and say why it was chosen; None for a model without weights of its own."""
    model = known_method(request.model_name)
    if not CAPABILITIES[model].trained:
        return None
    resolved = resolve_checkpoint(request.decoder, Path(request.logs), model)
    if request.grid == "decoders" and resolved.source == "shipped":
        raise UserError(
            f"grid=decoders shows a decoder beside the shipped one, which decoder={request.decoder} is: give latest, or a path"
        )
    resolved.announce()
    return resolved.source


class UnreadableInput(ValueError):
    """An input that cannot be decoded. The message names it and says why."""


class ResultMaker:
    """Makes results one by one. Inputs that serve several are read once.

    Args:
        request: What is asked.
        masks: One a style, or None.

    Attributes:
        stylizer, source: Set before the first result; pictures that every result needs are read before them.
        profile: The color profile of the last result's content, if it had one.
    """

    stylizer: Stylizer | MethodStylizer
    source: str

    def __init__(self, request: StylizeRequest, masks: list[Found] | None) -> None:
        self.request = request
        self.profile: bytes | None = None
        self._content: tuple[Path, Image.Image] | None = None
        self._encoded: dict[Path, Statistics] = {}
        self._sizes_said: set[tuple[int, int]] = set()
        self.weights = None if request.weights is None else [float(weight) for weight in request.weights]
        self.masks = None if masks is None else [self._mask(found) for found in masks]

    def make(self, job: Job, decoder: str, sink: BinaryIO | None) -> str:
        """Make a job's result, in its place or into ``sink``, and return what is to be printed of it.

        Raises:
            UnreadableInput: If an input of it cannot be decoded.
            UserError: If it does not fit into memory, or cannot be written.
        """
        if job.content.video:
            return self.video(job, decoder, sink)
        result = self.result(job)
        if sink is None:
            save(result, job.out, self.profile, self.request.quality)
        else:
            send(result, self.request.format, sink, self.profile, self.request.quality)
        return f"{job.out}  ({result.width} x {result.height}, {decoder})"

    def result(self, job: Job) -> Image.Image:
        """Return the picture of a job.

        Raises:
            UnreadableInput: If an input of it cannot be decoded.
            UserError: If it does not fit into memory.
        """
        import torch

        if self.request.grid == "frames":
            shown: Image.Image = self._of_video(make_frame_grid, job)
            return shown
        if self._content is None or self._content[0] != job.content.path:
            self._content = job.content.path, self._reduced(self._read("content", job.content.path, keep_alpha=True))
        content = self._content[1]
        self.profile = content.info.get("icc_profile")
        try:
            if self.request.grid is not None:
                return self._grid(content, job)
            self._say_sizes(content)
            return self.stylizer.stylize(
                content,
                alpha=self.request.alpha,
                styles=[self._style(found) for found in job.styles],
                weights=self.weights,
                masks=self.masks,
                preserve_color=self.request.color,
                extrapolate=self.request.extrapolate,
                tile=self.request.tile_side,
                **self._stroke,
            )
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise UserError(
                f"content={job.content.path} ({content.width} x {content.height}) does not fit into memory: "
                "give smaller tiles, such as tile=256"
            ) from None

    def video(self, job: Job, decoder: str, sink: BinaryIO | None = None) -> str:
        """Make the video of a job, in its place or into ``sink``.

        Returns:
            What is to be printed of it.

        Raises:
            UnreadableInput: If an input of it cannot be decoded.
        """
        report = self._of_video(partial(make_video, sink=sink), job)
        return describe(job.out, report, decoder)

    def _of_video(self, make: Callable[..., Any], job: Job) -> Any:
        from adain.inference.stylizer import Stylizer
        from adain.inference.video.source import SourceError

        if not isinstance(self.stylizer, Stylizer):
            raise UserError(
                f"content={job.content.path} is a video, which an ablation cannot make: give another decoder"
            )
        styles = [self._style(found) for found in job.styles]
        try:
            return make(job, self.request, self.stylizer, styles, self.masks)
        except SourceError as error:
            raise UnreadableInput(f"content={job.content.path} cannot be used ({error.reason})") from None

    def _grid(self, content: Image.Image, job: Job) -> Image.Image:
        from adain.inference.grids import alpha_grid, corner_grid, decoder_grid, pictures_of, style_grid
        from adain.inference.stylizer import Stylizer

        small = content.convert("RGB")
        small.thumbnail((self.request.cell, self.request.cell))
        pictures = [self._read("style", found.path) for found in job.styles]
        as_pictures = self.request.color == "coral" or self.request.grid == "decoders"
        encoded: list[Any] = list(pictures) if as_pictures else []
        total = pictures_of(str(self.request.grid), len(job.styles)) + len(pictures) - len(encoded)
        bar = Bar(total=total, unit="picture", desc="stylizing", leave=False)

        def stylized(
            styles: Any, alpha: float, weights: tuple[float, ...] = (1.0,), stylizer: Any = self.stylizer
        ) -> Image.Image:
            made: Image.Image = stylizer.stylize(
                small, alpha=alpha, styles=styles, weights=weights, preserve_color=self.request.color, extrapolate=True,
                **self._stroke,
            )  # fmt: skip
            bar.update()
            return made

        alpha = self.request.alpha
        named = [(picture, found.path.stem) for picture, found in zip(pictures, job.styles, strict=True)]
        with bar:
            for found in () if as_pictures else job.styles:
                encoded.append(self._style(found))
                bar.update()
            if self.request.grid == "alpha":
                return alpha_grid(small, pictures[0], lambda strength: stylized(encoded, strength))
            if self.request.grid == "styles":
                return style_grid(small, named, lambda index: stylized([encoded[index]], alpha))
            if self.request.grid == "decoders":
                shipped = Stylizer.load("shipped", self.request.device, self.request.precision)
                run = "/".join(Path(self.source).parts[-4:-2])  # EXPERIMENT/DATE of its checkpoints/best.ckpt
                columns: dict[str, Any] = {run or self.source: self.stylizer, "shipped": shipped}
                return decoder_grid(
                    small, named, columns, lambda index, by: stylized([encoded[index]], alpha, stylizer=by)
                )
            return corner_grid(small, named, lambda weights: stylized(encoded, alpha, weights))

    @property
    def _stroke(self) -> dict[str, Any]:
        """Return the argument that only AdaIN's stylizer takes."""
        return {} if self.request.stroke is None else {"stroke": self.request.stroke}

    def _reduced(self, content: Image.Image) -> Image.Image:
        from adain.data.picture import resize_short_side

        if self.request.side is None or min(content.size) <= self.request.side:
            return content
        profile = content.info.get("icc_profile")
        reduced = resize_short_side(content, self.request.side)
        if profile is not None:
            reduced.info["icc_profile"] = profile
        return reduced

    def _style(self, found: Found) -> Image.Image | Statistics:
        if self.request.color == "coral":  # the style's own colors change with the content
            return self._read("style", found.path)
        if found.path not in self._encoded:
            self._encoded[found.path] = self.stylizer.encode_style(self._read("style", found.path))
        return self._encoded[found.path]

    def _mask(self, found: Found) -> Image.Image:
        from adain.data.image_io import on_black

        try:
            mask = on_black(self._read("masks", found.path, keep_alpha=True, min_side=1))
        except UnreadableInput as error:
            raise UserError(f"{error}: give another picture") from None
        if mask.getextrema()[1] == 0:
            raise UserError(f"masks={found.path} covers nothing: make some of it white, or leave it and its style out")
        return mask

    def _say_sizes(self, content: Image.Image) -> None:
        """Print that masks are resized, once for each size."""
        for mask in self.masks or ():
            if mask.size != content.size and (mask.size not in self._sizes_said):
                self._sizes_said.add(mask.size)
                print(f"masks of {mask.width} x {mask.height} are resized to the content")

    def _read(self, key: str, path: Path, keep_alpha: bool = False, min_side: int = 16) -> Image.Image:
        from adain.data.picture import PictureError, TooLarge, read_picture

        try:
            return read_picture(path, None, self.request.max_pixels, min_side, keep_alpha)
        except PictureError as error:
            raised = ", which may be raised" if isinstance(error, TooLarge) else ""
            raise UnreadableInput(f"{key}={path} cannot be used ({error}{raised})") from None
