"""Which results a request makes of what, and the files they become. No picture is opened yet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from adain.inference.inputs import Found, each_once, find_pictures
from adain.inference.request import StylizeRequest, check_model, check_request, is_live
from adain.inference.results import ENDINGS, PIPE
from adain.runtime.errors import UserError
from adain.runtime.files import existing, expanded, fitting_name, folded, relative
from adain.runtime.schema import VIDEO_RESULTS

VIDEO_ENDINGS = {"mp4": ".mp4", "mkv": ".mkv", "mov": ".mov", "webm": ".webm"}
"""File endings of videos by the word for ``format``. A word for pictures leaves them at their default, and the reverse."""

_WRITABLE = (".png", ".jpg", ".jpeg", ".webp")
_LONGEST_STYLES = 120  # characters of the styles in a result's name
_LONGEST_NAME = 245  # bytes; file systems allow 255, and equal names get a number


class Job(NamedTuple):
    """One result to make: a content in a style, or in a mix of several, and its file."""

    content: Found
    styles: tuple[Found, ...]
    out: Path


def plan_jobs(request: StylizeRequest) -> tuple[list[Job], list[Found] | None]:
    """Return the results to make and the masks, checked as far as that goes without opening a picture.

    Raises:
        UserError: If something is missing, contradictory, not there, or cannot be written.
    """
    check_model(request)
    learned = request.model_name == "texture_network"  # its style needs no picture
    if not learned and (request.style is None) == (request.styles is None):
        given = "both are given" if request.style is not None else "neither is given"
        raise UserError(f"style=PATH, or styles=A,B for a mix, must be given: {given}")
    default = Path(request.logs) / "stylized"
    # a name that would be a file's does not keep a folder from being searched
    folder = default if request.out is None else expanded(request.out)
    contents = find_pictures("content", request.content, folder)
    if request.pairing != "zip":
        contents = each_once(contents)
    if request.grid == "frames":  # its results are pictures
        _check_frames(contents)
        contents = [found._replace(video=False) for found in contents]
    mixed = request.styles is not None or request.grid in ("corners", "styles", "decoders")  # all in one picture
    key = "style" if request.styles is None else "styles"
    typed = getattr(request, key)
    styles = [] if learned else find_pictures(key, typed, None if mixed else folder)
    if not mixed and request.pairing != "zip":
        styles = each_once(styles)
    masks = None if request.masks is None else find_pictures("masks", request.masks)
    check_options(request, len(styles) if mixed else 1, masks)
    if mixed or learned:
        pairs = [(content, tuple(styles)) for content in contents]
    elif request.pairing == "zip":
        if len(contents) != len(styles):
            raise UserError(
                f"pairing=zip needs as many styles as contents, but {len(contents)} contents and {len(styles)} "
                "styles are given: give the same number, or pairing=all"
            )
        pairs = [(content, (style,)) for content, style in zip(contents, styles, strict=True)]
    else:
        pairs = [(content, (style,)) for content in contents for style in styles]
    suffix = request.model_name if learned else f"_{request.grid}" if request.grid else ""
    jobs = name_results(pairs, request.out, request.format, default, suffix)
    if request.out != str(PIPE):
        file = request.out if request.out is not None and is_file_name(request.out, len(pairs)) else None
        check_places(jobs, folder, [*contents, *styles, *(masks or [])], file)
    if request.weights is not None and abs(sum(request.weights) - 1) > 1e-6:
        print(
            f"weights {', '.join(f'{weight:g}' for weight in request.weights)} are divided by their sum "
            f"{sum(request.weights):g}"
        )
    return jobs, masks


def _check_frames(contents: Sequence[Found]) -> None:
    """Check that ``grid=frames`` can be made of contents: each is a video that can be read twice."""
    for found in contents:
        if not found.video or is_live(str(found.path)):
            raise UserError(
                f"grid=frames needs a video file, but content={found.path} is not one: give a video, or another grid"
            )


def check_options(request: StylizeRequest, styles: int, masks: list[Found] | None) -> None:
    """Check that options are in their range and do not contradict each other.

    Raises:
        UserError: At the first that does not hold.
    """
    if request.weights is not None and request.styles is None:
        raise UserError("weights are for mixing, but style= is applied alone: give styles=A,B")
    if masks is not None and request.styles is None and styles != 1:
        raise UserError("masks need one style each: give styles=A,B masks=M,N")
    if request.grid == "alpha" and request.styles is not None:
        raise UserError("grid=alpha takes one style: give style=PATH")
    if request.grid == "corners" and not 2 <= styles <= 4:
        raise UserError(f"grid=corners has 2 to 4 styles at its corners, but {styles} are given: give styles=A,B,C,D")
    if request.grid not in (None, "frames") and (masks is not None or request.weights is not None):
        raise UserError(f"grid={request.grid} takes neither weights nor masks: leave them out")
    count = None if masks is None else len(masks)
    check_request(styles, request.alpha, request.weights, count, request.color, request.extrapolate)
    _ = request.tile_side  # refuses what it cannot be


def name_results(
    pairs: Sequence[tuple[Found, tuple[Found, ...]]],
    out: str | None,
    format: str | None,
    default: Path,
    suffix: str = "",
) -> list[Job]:
    """Give each content with its styles a file.

    A result is named ``<content>_<style>``, or ``<content>_<style>+<style>`` of a mix, in the content's sub-folder. Where
    two would be the same (``a.jpg`` and ``a.png``), their endings become part of the names, and after that a number.

    Args:
        pairs: Contents with their styles.
        out: As typed: a file for one result, a folder, or ``-`` for one result on standard output.
        format: As typed: a key of ``ENDINGS`` or ``VIDEO_ENDINGS``; by default the ending of ``out``, or png, or mp4.
        default: The folder, if ``out`` is not given.
        suffix: Put behind each name.

    Raises:
        UserError: If ``out`` fits neither, or contradicts ``format``.
    """
    if out == str(PIPE):
        return [Job(*_piped(pairs, format), PIPE)]
    if out is not None and is_file_name(out, len(pairs)):
        path = expanded(out)
        video = pairs[0][0].video
        if path.suffix.lower() not in (VIDEO_RESULTS if video else _WRITABLE):
            kind, given = ("video", ".mp4, .mkv, .mov or .webm") if video else ("picture", ".png, .jpg or .webp")
            raise UserError(f"out={out} has no {kind}'s ending: give {given}, or a folder (ending in /)")
        plain = path.suffix.lower().replace(".jpeg", ".jpg")
        if format is not None and (VIDEO_ENDINGS if video else ENDINGS).get(format) != plain:
            raise UserError(f"out={out} and format={format} contradict each other: leave one of them out")
        if len(pairs) > 1:
            raise UserError(f"out={out} is one file, but {len(pairs)} results are asked for: give a folder")
        return [Job(*pairs[0], path)]
    folder = expanded(out) if out is not None else default
    for words, video, kind in ((ENDINGS, False, "pictures"), (VIDEO_ENDINGS, True, "videos")):
        if format in words and not any(content.video == video for content, _ in pairs):
            raise UserError(f"format={format} is for {kind}, but content holds none: leave it out, or give another")

    def ending(content: Found) -> str:
        return VIDEO_ENDINGS.get(format or "", ".mp4") if content.video else ENDINGS.get(format or "", ".png")

    names = [_name(content, styles, suffix, ending(content), plain=True) for content, styles in pairs]
    counts = Counter(map(folded, names))
    names = [
        name if counts[folded(name)] == 1 else _name(content, styles, suffix, ending(content), plain=False)
        for name, (content, styles) in zip(names, pairs, strict=True)
    ]
    taken: Counter[str] = Counter()
    jobs = []
    for name, (content, styles) in zip(names, pairs, strict=True):
        chosen = name
        while taken[folded(chosen)]:
            taken[folded(name)] += 1
            chosen = name.with_stem(f"{name.stem}_{taken[folded(name)]}")
        taken[folded(chosen)] += 1
        jobs.append(Job(content, styles, folder / chosen))
    return jobs


def _piped(pairs: Sequence[tuple[Found, tuple[Found, ...]]], format: str | None) -> tuple[Found, tuple[Found, ...]]:
    """Return the one result that a pipe takes."""
    if len(pairs) > 1:
        raise UserError(f"out=- takes one result, but {len(pairs)} are asked for: give one content and one style")
    allowed = ("mkv",) if pairs[0][0].video else tuple(ENDINGS)
    if format is not None and format not in allowed:
        raise UserError(f"format={format} cannot be written to a pipe: give {', '.join(allowed)}, or leave it out")
    return pairs[0]


def is_file_name(out: str, results: int) -> bool:
    """Return whether ``out`` is meant as a file: it has an ending and is not a folder, or no picture's folder among several."""
    path = expanded(out)
    if out.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
        return False
    return results == 1 or path.suffix.lower() in (*_WRITABLE, *VIDEO_RESULTS)


def _name(content: Found, styles: tuple[Found, ...], suffix: str, ending: str, plain: bool) -> Path:
    def called(found: Found) -> str:
        return found.name.stem if plain else found.name.name.replace(".", "_")

    joined = "+".join(map(called, styles))
    if len(styles) > 2 and len(joined) > _LONGEST_STYLES:
        joined = f"{called(styles[0])}+{len(styles) - 1}more"
    return content.name.parent / fitting_name([called(content), "_", joined, suffix], ending, _LONGEST_NAME)


def check_places(jobs: Sequence[Job], folder: Path, inputs: Sequence[Found], file: str | None) -> None:
    """Check that results can be written, before there is any.

    Args:
        jobs: The results.
        folder: Where they go, if ``file`` is None.
        inputs: What they are made of.
        file: Their one file, as typed, if they are one.

    Raises:
        UserError: If a result would replace an input or lie among them, or its folder cannot be written to.
    """
    lies = f"{folder} is" if file is None else f"{file} lies in"
    folder = folder if file is None else folder.parent
    files = {found.path.resolve(): found.path for found in inputs}
    for job in jobs:
        if len(os.fsencode(job.out.name)) > _LONGEST_NAME + 10:
            raise UserError(f"out={job.out} is too long for a file's name: give at most {_LONGEST_NAME + 10} bytes")
        if job.out.resolve() in files:
            raise UserError(f"out={job.out} would overwrite an input: give another name")
    for found in inputs:
        if found.root is not None and folder.resolve() == found.root.resolve():
            raise UserError(f"out={lies} the folder of the inputs: give another, or results would become inputs")
    for place in dict.fromkeys(job.out.parent for job in jobs):
        nearest = relative(existing(place))
        if not nearest.is_dir():
            raise UserError(f"out={place} cannot be written ({nearest} is a file): give another folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"out={place} cannot be written ({nearest} is not writable): give another folder")
