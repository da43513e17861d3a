"""``make stylize``: pictures and videos in the style of pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from omegaconf import DictConfig

from adain.cli.app import run
from adain.inference.found import Found, find_pictures, words_of
from adain.inference.method_request import check_method
from adain.inference.piped import take_standard_output
from adain.inference.request import check_request, check_side
from adain.inference.results import PIPE, Job, check_places, is_file_name, plan, save, send
from adain.inference.video_request import check_videos, make_video, of_videos, show_frames, told
from adain.runtime.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

    from adain.functional.statistics import Statistics
    from adain.inference.stylizer import Stylizer
    from adain.inference.systems import MethodStylizer

PATHS = ("content", "style", "styles", "masks", "out", "decoder", "logs")
"""Keys whose value is a file name, whatever characters it has."""


def stylize(config: DictConfig) -> None:
    """Makes every result that is asked for, and says where they are."""
    sink = take_standard_output() if config.out == str(PIPE) else None
    jobs, masks = read_request(config)
    if not config.overwrite and sink is None:
        there = [job for job in jobs if job.out.exists()]
        jobs = [job for job in jobs if not job.out.exists()]
        if there:
            print(f"{len(there)} results are there already and stay (overwrite=false)")
        if not jobs:
            return
    check_videos(config, jobs)

    from tqdm.auto import tqdm  # torch is imported from here on

    from adain.inference.systems import load_stylizer
    from adain.runtime.memory import keep_freed_memory

    keep_freed_memory()
    work = Work(config, masks)
    work.stylizer, decoder = load_stylizer(config)
    unusable: dict[str, None] = {}
    done = 0
    with tqdm(jobs, unit="result", desc="stylizing", disable=None if len(jobs) > 1 else True, leave=False) as bar:
        for job in bar:
            try:
                if job.content.video:
                    tqdm.write(work.video(job, decoder, sink))
                    done += 1
                    continue
                result = work.result(job)
            except Unusable as reason:
                unusable[str(reason)] = None
                continue
            if sink is None:
                save(result, job.out, work.profile, config.quality)
            else:
                send(result, config.format, sink, work.profile, config.quality)
            done += 1
            detail = f"  ({result.width} x {result.height}, {decoder})" if len(jobs) == 1 else ""
            tqdm.write(f"{job.out}{detail}")
    if len(jobs) > 1:
        print(f"{done} of {len(jobs)} results made  ({decoder})")
    if unusable:
        listed = "; ".join(list(unusable)[:5]) + ("; and more" if len(unusable) > 5 else "")
        rest = "" if len(jobs) == 1 else f"; the {done} results without them are done"
        another = "another" if any(job.content.video for job in jobs) else "another picture"
        raise UserError(f"{listed}: give {another}{rest}")


class Unusable(ValueError):
    """An input that cannot be decoded. The message names it and says why."""


class Work:
    """Inputs read once where they serve again.

    Attributes:
        stylizer: Set before the first result; pictures that every result needs are read before it.
        profile: The color profile of the last result's content, if it had one.
    """

    stylizer: Stylizer | MethodStylizer

    def __init__(self, config: DictConfig, masks: list[Found] | None) -> None:
        self.config = config
        self.profile: bytes | None = None
        self._content: tuple[Path, Image.Image] | None = None
        self._encoded: dict[Path, Statistics] = {}
        self._sizes_said: set[tuple[int, int]] = set()
        word = str(config.preserve_color).lower()
        self.preserve: Any = {"true": "coral", "false": "none"}.get(word, word)
        self.weights = None if config.weights is None else [float(weight) for weight in config.weights]
        self.masks = None if masks is None else [self._mask(found) for found in masks]

    def result(self, job: Job) -> Image.Image:
        """The picture of a job.

        Raises:
            Unusable: If an input of it cannot be decoded.
            UserError: If it does not fit into memory.
        """
        import torch

        if self.config.grid == "frames":
            shown: Image.Image = self._of_video(show_frames, job)
            return shown
        if self._content is None or self._content[0] != job.content.path:
            self._content = job.content.path, self._reduced(self._read("content", job.content.path, keep_alpha=True))
        content = self._content[1]
        self.profile = content.info.get("icc_profile")
        try:
            if self.config.grid is not None:
                return self._grid(content, job)
            self._say_sizes(content)
            return self.stylizer.stylize(
                content,
                alpha=self.config.alpha,
                styles=[self._style(found) for found in job.styles],
                weights=self.weights,
                masks=self.masks,
                preserve_color=self.preserve,
                extrapolate=self.config.extrapolate,
                tile=read_tile(self.config.tile),
            )
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise UserError(
                f"content={job.content.path} ({content.width} x {content.height}) does not fit into memory: "
                "give smaller tiles, such as tile=256"
            ) from None

    def video(self, job: Job, decoder: str, sink: BinaryIO | None = None) -> str:
        """Makes the video of a job, in its place or into ``sink``.

        Returns:
            What is to be printed of it.

        Raises:
            Unusable: If an input of it cannot be decoded.
        """
        report = self._of_video(partial(make_video, sink=sink), job)
        return told(job.out, report, decoder)

    def _of_video(self, make: Callable[..., Any], job: Job) -> Any:
        from adain.inference.stylizer import Stylizer
        from adain.inference.video.source import SourceError

        if not isinstance(self.stylizer, Stylizer):
            raise UserError(
                f"content={job.content.path} is a video, which an ablation cannot make: give another decoder"
            )
        styles = [self._style(found) for found in job.styles]
        try:
            return make(job, self.config, self.stylizer, styles, self.masks, self.preserve, read_tile(self.config.tile))
        except SourceError as error:
            raise Unusable(f"content={job.content.path} cannot be used ({error.reason})") from None

    def _grid(self, content: Image.Image, job: Job) -> Image.Image:
        from tqdm.auto import tqdm

        from adain.inference.grids import alpha_grid, corner_grid, pictures_of, style_grid

        small = content.convert("RGB")
        small.thumbnail((self.config.cell, self.config.cell))
        pictures = [self._read("style", found.path) for found in job.styles]
        encoded: Any = pictures if self.preserve == "coral" else [self._style(found) for found in job.styles]

        bar = tqdm(total=pictures_of(self.config.grid, len(job.styles)), unit="picture", desc="stylizing", leave=False)

        def stylized(styles: Any, alpha: float, weights: tuple[float, ...] = (1.0,)) -> Image.Image:
            made = self.stylizer.stylize(
                small, alpha=alpha, styles=styles, weights=weights, preserve_color=self.preserve, extrapolate=True
            )
            bar.update()
            return made

        alpha = self.config.alpha
        named = [(picture, found.path.stem) for picture, found in zip(pictures, job.styles, strict=True)]
        with bar:
            if self.config.grid == "alpha":
                return alpha_grid(small, pictures[0], lambda strength: stylized(encoded, strength))
            if self.config.grid == "styles":
                return style_grid(small, named, lambda index: stylized([encoded[index]], alpha))
            return corner_grid(small, named, lambda weights: stylized(encoded, alpha, weights))

    def _reduced(self, content: Image.Image) -> Image.Image:
        from adain.data.picture import resize_short_side

        if self.config.side is None or min(content.size) <= self.config.side:
            return content
        profile = content.info.get("icc_profile")
        reduced = resize_short_side(content, self.config.side)
        if profile is not None:
            reduced.info["icc_profile"] = profile
        return reduced

    def _style(self, found: Found) -> Image.Image | Statistics:
        if self.preserve == "coral":  # the style's own colors change with the content
            return self._read("style", found.path)
        if found.path not in self._encoded:
            self._encoded[found.path] = self.stylizer.encode_style(self._read("style", found.path))
        return self._encoded[found.path]

    def _mask(self, found: Found) -> Image.Image:
        from adain.data.image_io import on_black

        try:
            mask = on_black(self._read("masks", found.path, keep_alpha=True, min_side=1))
        except Unusable as error:
            raise UserError(f"{error}: give another picture") from None
        if mask.getextrema()[1] == 0:
            raise UserError(f"masks={found.path} covers nothing: make some of it white, or leave it and its style out")
        return mask

    def _say_sizes(self, content: Image.Image) -> None:
        """That masks are resized, once for each size."""
        for mask in self.masks or ():
            if mask.size != content.size and (mask.size not in self._sizes_said):
                self._sizes_said.add(mask.size)
                print(f"masks of {mask.width} x {mask.height} are resized to the content")

    def _read(self, key: str, path: Path, keep_alpha: bool = False, min_side: int = 16) -> Image.Image:
        from adain.data.picture import PictureError, TooLarge, read_picture

        try:
            return read_picture(path, None, self.config.max_pixels, min_side, keep_alpha)
        except PictureError as error:
            raised = ", which may be raised" if isinstance(error, TooLarge) else ""
            raise Unusable(f"{key}={path} cannot be used ({error}{raised})") from None


def read_request(config: DictConfig) -> tuple[list[Job], list[Found] | None]:
    """What is to be made of what, checked as far as that goes without opening a picture.

    Raises:
        UserError: If something is missing, contradictory, not there, or cannot be written.
    """
    check_method(config)
    learned = config.model.name == "texture_network"  # its style needs no picture
    if not learned and (config.style is None) == (config.styles is None):
        given = "both are given" if config.style is not None else "neither is given"
        raise UserError(f"style=PATH, or styles=[a,b] for a mix, must be given: {given}")
    default = Path(config.logs) / "stylized"
    # a name that would be a file's does not keep a folder from being searched
    folder = default if config.out is None else Path(str(config.out)).expanduser()
    contents = find_pictures("content", config.content, folder)
    if config.grid == "frames":  # its results are pictures
        contents = [found._replace(video=False) for found in of_videos(contents)]
    mixed = config.styles is not None or config.grid in ("corners", "styles")  # all of them in one picture
    key = "style" if config.styles is None else "styles"
    styles = [] if learned else _in_order(key, config[key]) if mixed else find_pictures(key, config[key], folder)
    masks = None if config.masks is None else _in_order("masks", config.masks)
    check_options(config, len(styles) if mixed else 1, masks)
    if mixed or learned:
        pairs = [(content, tuple(styles)) for content in contents]
    elif config.pairing == "zip":
        if len(contents) != len(styles):
            raise UserError(
                f"pairing=zip needs as many styles as contents, but {len(contents)} contents and {len(styles)} "
                "styles are given: give the same number, or pairing=all"
            )
        pairs = [(content, (style,)) for content, style in zip(contents, styles, strict=True)]
    else:
        pairs = [(content, (style,)) for content in contents for style in styles]
    out = None if config.out is None else str(config.out)
    if out is not None and is_file_name(out, len(pairs)):
        folder = folder.parent
        roots = [
            found.root for found in contents if found.root is not None and found.root.resolve() == folder.resolve()
        ]
        if roots:  # said of the file, which the user typed
            raise UserError(f"out={out} lies in the folder of the inputs: give another, or it would become an input")
    jobs = plan(
        pairs, out, config.format, default, config.model.name if learned else f"_{config.grid}" if config.grid else ""
    )
    if out != str(PIPE):
        check_places(jobs, folder, [*contents, *styles, *(masks or [])])
    if config.weights is not None and abs(sum(config.weights) - 1) > 1e-6:
        print(
            f"weights {', '.join(f'{weight:g}' for weight in config.weights)} are divided by their sum "
            f"{sum(config.weights):g}"
        )
    return jobs, masks


def check_options(config: DictConfig, styles: int, masks: list[Found] | None) -> None:
    """Options that contradict each other or are out of their range.

    Raises:
        UserError: At the first.
    """
    if config.weights is not None:
        numbers = isinstance(config.weights, str | int | float) or [
            weight for weight in config.weights if isinstance(weight, bool) or not isinstance(weight, int | float)
        ]
        if numbers:
            raise UserError(
                f"weights={config.weights} is not a list of numbers: give one a style, as weights=[0.7,0.3]"
            )
        if config.styles is None:
            raise UserError("weights are for mixing, but style= is applied alone: give styles=[a,b]")
    if masks is not None and config.styles is None and styles != 1:
        raise UserError("masks need one style each: give styles=[a,b] masks=[fg,bg]")
    if config.grid == "alpha" and config.styles is not None:
        raise UserError("grid=alpha is of one style: give style=PATH")
    if config.grid == "corners" and not 2 <= styles <= 4:
        raise UserError(f"grid=corners has 2 to 4 styles at its corners, but {styles} are given: give styles=[a,b,c,d]")
    if config.grid not in (None, "frames") and (masks is not None or config.weights is not None):
        raise UserError(f"grid={config.grid} takes neither weights nor masks: leave them out")
    word = str(config.preserve_color).lower()
    check_request(
        styles,
        config.alpha,
        config.weights,
        None if masks is None else len(masks),
        {"true": "coral", "false": "none"}.get(word, word),
        config.extrapolate,
    )
    read_tile(config.tile)
    check_side(config.side)


def read_tile(value: Any) -> Any:
    """``Stylizer.stylize``'s ``tile`` from the words ``auto``, ``none`` or a number.

    Raises:
        UserError: If it is none of them.
    """
    word = "none" if value is None or value is False or value == 0 else str(value).lower()
    if word in ("auto", "none"):
        return None if word == "none" else word
    if not word.isdigit() or int(word) < 64:
        raise UserError(f"tile={value} cannot be used: give auto, none, or the side of a tile of 64 pixels or more")
    return int(word)


def _in_order(key: str, value: Any) -> list[Found]:
    """Styles or masks in the order given: unlike ``find_pictures``, one may be given twice."""
    return [found for word in words_of(key, value) for found in find_pictures(key, word)]


def main() -> None:
    """The command."""
    run("stylize", stylize, paths=PATHS)


if __name__ == "__main__":
    main()
