"""What ``make stylize`` does: plans the results of a request and makes them one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from adain.inference.inputs import Found
from adain.inference.jobs import Job, plan_jobs
from adain.inference.request import StylizeRequest
from adain.inference.results import PIPE, save, send, take_standard_output, too_large
from adain.inference.video.stylize import check_videos, describe, make_frame_grid, make_video
from adain.methods.interface import CAPABILITIES, known_method
from adain.runtime.errors import InputError, UserError
from adain.runtime.progress import Bar
from adain.training.checkpoints import resolve_checkpoint

if TYPE_CHECKING:
    from PIL import Image

    from adain.functional.statistics import Statistics
    from adain.inference.method_stylizer import MethodStylizer
    from adain.inference.stylizer import Stylizer


def stylize_files(request: StylizeRequest) -> None:
    """Make every result that is asked for, and print where it is. Unusable inputs are skipped and listed at the end.

    Raises:
        UserError: If something cannot be used or written, or an input was unusable.
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
    mask_pictures = None if masks is None else [_read_mask(found, request.max_pixels) for found in masks]
    stylizer, name = load_stylizer(request, source)
    maker = ResultMaker(request, stylizer, name, source or "", mask_pictures)
    unusable: dict[str, None] = {}
    done = 0
    try:
        with Bar(jobs, unit="result", desc="stylizing", disable=len(jobs) == 1, leave=False) as bar:
            for job in bar:
                try:
                    line = maker.make(job, sink)
                except UnusableInput as reason:
                    unusable[str(reason)] = None
                    continue
                done += 1
                Bar.write(line if job.content.video or len(jobs) == 1 else str(job.out))
    except (KeyboardInterrupt, SystemExit):
        if len(jobs) > 1:
            print(f"{done} of {len(jobs)} results are made: overwrite=false keeps them", file=sys.stderr)
        raise
    if len(jobs) > 1:
        print(f"{done} of {len(jobs)} results made  ({name})")
    if unusable:
        listed = "; ".join(unusable)
        if len(unusable) > 5:
            print(*unusable, sep="\n", file=sys.stderr)
            listed = f"{len(unusable)} inputs, listed above, cannot be used"
        if len(jobs) > 1:
            raise UserError(f"{listed}: replace or remove what cannot be used; the other {done} results are done")
        raise UserError(f"{listed}: give another{'' if jobs[0].content.video else ' picture'}")


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


class UnusableInput(ValueError):
    """An input that nothing can be made of. The message names it and says why."""


def _read(key: str, path: Path, max_pixels: int, keep_alpha: bool = False, min_side: int = 16) -> Image.Image:
    from adain.data.picture import PictureError, TooLarge, read_picture

    try:
        return read_picture(path, None, max_pixels, min_side, keep_alpha)
    except PictureError as error:
        raised = ", which may be raised" if isinstance(error, TooLarge) else ""
        raise UnusableInput(f"{key}={path} cannot be used ({error}{raised})") from None


@contextmanager
def _blaming(content: Found) -> Iterator[None]:
    """Raise ``UnusableInput`` for what one content is at fault for: the others of a batch are made."""
    from adain.data.picture import PictureError

    try:
        yield
        return
    except UserError:  # about what was typed, whatever the content
        raise
    except (InputError, PictureError) as error:
        reason = str(error)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        reason = (
            f"it does not fit into memory; side=512 or {'batch_size=1' if content.video else 'tile=256'} needs less"
        )
    raise UnusableInput(f"content={content.path} cannot be used ({reason})")


def _read_mask(found: Found, max_pixels: int) -> Image.Image:
    from adain.data.image_io import on_black

    try:
        mask = on_black(_read("masks", found.path, max_pixels, keep_alpha=True, min_side=1))
    except UnusableInput as error:
        raise UserError(f"{error}: give another picture") from None
    if mask.getextrema()[1] == 0:
        raise UserError(f"masks={found.path} covers nothing: make some of it white, or leave it and its style out")
    return mask


class ResultMaker:
    """Makes results one by one. Inputs that serve several are read once.

    Args:
        request: What is asked.
        stylizer: Makes the pictures.
        name: What it is called in the lines printed.
        source: Its checkpoint; empty for a model without weights of its own.
        masks: One a style, or None.
    """

    def __init__(
        self,
        request: StylizeRequest,
        stylizer: Stylizer | MethodStylizer,
        name: str,
        source: str,
        masks: list[Image.Image] | None,
    ) -> None:
        self.request, self.stylizer, self.name, self.source, self.masks = request, stylizer, name, source, masks
        self._sizes_said: set[tuple[int, int]] = set()
        self._content = lru_cache(maxsize=1)(self._read_content)
        self._encoded = cache(self._encode)

    def make(self, job: Job, sink: BinaryIO | None) -> str:
        """Make a job's result, in its place or into ``sink``, and return what is to be printed of it.

        Raises:
            UnusableInput: If an input of it cannot be decoded, or is too large or too narrow for what is asked.
            UserError: If it cannot be written.
        """
        with _blaming(job.content):
            if job.content.video:
                return describe(job.out, self._of_video(partial(make_video, sink=sink), job), self.name)
            profile: bytes | None = None
            if self.request.grid == "frames":
                result: Image.Image = self._of_video(make_frame_grid, job)
            else:
                content = self._content(job.content.path)
                profile = content.info.get("icc_profile")
                result = self._stylized(content, job)
        if sink is None:
            save(result, job.out, profile, self.request.quality)
        else:
            send(result, self.request.format, sink, profile, self.request.quality)
        return f"{job.out}  ({result.width} x {result.height}, {self.name})"

    def _stylized(self, content: Image.Image, job: Job) -> Image.Image:
        if self.request.grid is not None:
            return self._grid(content, job)
        if too_large(content.size, job.out.name):
            kind = job.out.suffix[1:]
            raise InputError(f"{kind} holds no {content.width} x {content.height} pixels, which format=png does")
        self._say_sizes(content)
        return self.stylizer.stylize(content, styles=self._styles(job), masks=self.masks, **self.request.options)

    def _of_video(self, make: Callable[..., Any], job: Job) -> Any:
        from adain.inference.stylizer import Stylizer
        from adain.inference.video.source import SourceError

        if not isinstance(self.stylizer, Stylizer):
            raise UserError(
                f"content={job.content.path} is a video, which an ablation cannot make: give another decoder"
            )
        styles = self._styles(job)
        try:
            return make(job, self.request, self.stylizer, styles, self.masks)
        except SourceError as error:
            raise UnusableInput(f"content={job.content.path} cannot be used ({error.reason})") from None

    def _grid(self, content: Image.Image, job: Job) -> Image.Image:
        from adain.inference.grids import alpha_grid, corner_grid, decoder_grid, pictures_of, style_grid
        from adain.inference.stylizer import Stylizer

        grid, small = str(self.request.grid), content.convert("RGB")
        small.thumbnail((self.request.cell, self.request.cell))
        pictures = [_read("style", found.path, self.request.max_pixels) for found in job.styles]
        named = [(picture, found.path.stem) for picture, found in zip(pictures, job.styles, strict=True)]

        def style(index: int) -> Any:
            as_picture = self.request.color == "coral" or grid == "decoders"  # each result needs the picture itself
            return pictures[index] if as_picture else self._style(job.styles[index])

        def stylized(styles: Any, stylizer: Any = self.stylizer, **changed: Any) -> Image.Image:
            made: Image.Image = stylizer.stylize(small, styles=styles, **{**self.request.options, **changed})
            bar.update()
            return made

        with Bar(total=pictures_of(grid, len(pictures)), unit="picture", desc="stylizing", leave=False) as bar:
            if grid == "alpha":
                return alpha_grid(small, pictures[0], lambda alpha: stylized([style(0)], alpha=alpha))
            if grid == "styles":
                return style_grid(small, named, lambda index: stylized([style(index)]))
            if grid == "decoders":
                shipped = Stylizer.load("shipped", self.request.device, self.request.precision)
                run = "/".join(Path(self.source).parts[-4:-2])  # EXPERIMENT/DATE of its checkpoints/best.ckpt
                columns: dict[str, Any] = {run or self.source: self.stylizer, "shipped": shipped}
                return decoder_grid(small, named, columns, lambda index, by: stylized([style(index)], by))
            styles = [style(index) for index in range(len(pictures))]
            return corner_grid(small, named, lambda weights: stylized(styles, weights=weights))

    def _read_content(self, path: Path) -> Image.Image:
        from adain.data.picture import resize_short_side

        content, side = _read("content", path, self.request.max_pixels, keep_alpha=True), self.request.side
        return content if side is None or min(content.size) <= side else resize_short_side(content, side)

    def _styles(self, job: Job) -> list[Image.Image | Statistics]:
        return [self._style(found) for found in job.styles]

    def _style(self, found: Found) -> Image.Image | Statistics:
        if self.request.color == "coral":  # the style's own colors change with the content
            return _read("style", found.path, self.request.max_pixels)
        return self._encoded(found.path)

    def _encode(self, path: Path) -> Statistics:
        encoded: Statistics = self.stylizer.encode_style(_read("style", path, self.request.max_pixels))
        return encoded

    def _say_sizes(self, content: Image.Image) -> None:
        """Print that masks are resized, once for each size."""
        for mask in self.masks or ():
            if mask.size != content.size and (mask.size not in self._sizes_said):
                self._sizes_said.add(mask.size)
                print(f"masks of {mask.width} x {mask.height} are resized to the content")
