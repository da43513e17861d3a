"""Where results go and what they are called; writing one without ever leaving half of it."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from adain.inference.found import Found
from adain.runtime.errors import UserError
from adain.runtime.files import replacing
from adain.runtime.schema import VIDEO_RESULTS

ENDINGS = {"png": ".png", "jpg": ".jpg", "jpeg": ".jpg", "webp": ".webp"}
"""File endings by the word for ``format``, of pictures."""

VIDEO_ENDINGS = {"mp4": ".mp4", "mkv": ".mkv", "mov": ".mov", "webm": ".webm"}
"""Of videos. Where both are asked for, a word for one leaves the other at its default."""

PIPE = Path("-")
"""A result on standard output."""

_WRITABLE = (".png", ".jpg", ".jpeg", ".webp")
_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}  # pixels of a side that the formats can hold
_LONGEST_NAME = 120  # characters of the styles in a result's name


class Job(NamedTuple):
    """One result to be made.

    Attributes:
        content: Its content.
        styles: Its style, or those it mixes.
        out: Its file.
    """

    content: Found
    styles: tuple[Found, ...]
    out: Path


def plan(
    pairs: Sequence[tuple[Found, tuple[Found, ...]]],
    out: str | None,
    format: str | None,
    default: Path,
    suffix: str = "",
) -> list[Job]:
    """Gives each content with its styles a file.

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
        path = Path(out).expanduser()
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
    folder = Path(out).expanduser() if out is not None else default
    for words, video, kind in ((ENDINGS, False, "pictures"), (VIDEO_ENDINGS, True, "videos")):
        if format in words and not any(content.video == video for content, _ in pairs):
            raise UserError(f"format={format} is of {kind}, but content holds none: leave it out, or give another")

    def ending(content: Found) -> str:
        return VIDEO_ENDINGS.get(format or "", ".mp4") if content.video else ENDINGS.get(format or "", ".png")

    names = [_name(content, styles, suffix, ending(content), plain=True) for content, styles in pairs]
    names = [
        name if unique else _name(content, styles, suffix, ending(content), plain=False)
        for name, unique, (content, styles) in zip(names, _unique(names), pairs, strict=True)
    ]
    taken: Counter[str] = Counter()
    jobs = []
    for name, (content, styles) in zip(names, pairs, strict=True):
        chosen = name
        while taken[str(chosen).casefold()]:
            taken[str(name).casefold()] += 1
            chosen = name.with_stem(f"{name.stem}_{taken[str(name).casefold()]}")
        taken[str(chosen).casefold()] += 1
        jobs.append(Job(content, styles, folder / chosen))
    return jobs


def _piped(pairs: Sequence[tuple[Found, tuple[Found, ...]]], format: str | None) -> tuple[Found, tuple[Found, ...]]:
    """The one result that a pipe takes."""
    if len(pairs) > 1:
        raise UserError(f"out=- takes one result, but {len(pairs)} are asked for: give one content and one style")
    allowed = ("mkv",) if pairs[0][0].video else tuple(ENDINGS)
    if format is not None and format not in allowed:
        raise UserError(f"format={format} cannot be written to a pipe: give {', '.join(allowed)}, or leave it out")
    return pairs[0]


def is_file_name(out: str, results: int) -> bool:
    """Whether ``out`` is meant as a file: it has an ending and is no folder, or no picture's folder among several."""
    path = Path(out).expanduser()
    if out.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
        return False
    return results == 1 or path.suffix.lower() in (*_WRITABLE, *VIDEO_RESULTS)


def _name(content: Found, styles: tuple[Found, ...], suffix: str, ending: str, plain: bool) -> Path:
    def called(found: Found) -> str:
        return found.name.stem if plain else found.name.name.replace(".", "_")

    joined = "+".join(map(called, styles))
    if len(styles) > 2 and len(joined) > _LONGEST_NAME:  # a file's name has 255 bytes
        joined = f"{called(styles[0])}+{len(styles) - 1}more"
    return content.name.parent / f"{called(content)}_{joined}{suffix}{ending}"


def _unique(names: Sequence[Path]) -> list[bool]:
    counts = Counter(str(name).casefold() for name in names)  # casefold: file systems that know no upper case
    return [counts[str(name).casefold()] == 1 for name in names]


def check_places(jobs: Sequence[Job], folder: Path, inputs: Iterable[Found]) -> None:
    """What can be known about writing before there is anything to write.

    Raises:
        UserError: If a result would replace an input or lie among them, or its folder cannot be written to.
    """
    inputs = list(inputs)
    files = {found.path.resolve(): found.path for found in inputs}
    for job in jobs:
        if job.out.resolve() in files:
            raise UserError(f"out={job.out} would overwrite an input: give another name")
    for found in inputs:
        if found.root is not None and folder.resolve() == found.root.resolve():
            raise UserError(f"out={folder} is the folder of the inputs: give another, or results would become inputs")
    for place in dict.fromkeys(job.out.parent for job in jobs):
        existing = place
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise UserError(f"out={place} cannot be written ({existing} is a file): give another folder")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise UserError(f"out={place} cannot be written ({existing} is not writable): give another folder")


def save(picture: Image.Image, out: Path, profile: bytes | None = None, quality: int = 95) -> None:
    """Writes a picture beside its place and moves it there whole.

    Args:
        picture: RGB, or RGBA, which JPEG cannot hold: it is then laid on white.
        out: The file; its ending says the format.
        profile: The color profile that its pixels are in, if the content had one.
        quality: Of JPEG and WebP, 1 to 100.

    Raises:
        UserError: If it cannot be written.
    """
    picture, options = _prepared(picture, out, profile, quality)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as part:
            picture.save(part, **options)
    except (OSError, ValueError) as error:
        raise UserError(
            f"out={out} cannot be written ({getattr(error, 'strerror', None) or error}): give another folder"
        ) from None


def send(
    picture: Image.Image, format: str | None, sink: BinaryIO, profile: bytes | None = None, quality: int = 95
) -> None:
    """Writes a picture's file into a pipe, as ``save`` does. ``format`` is a key of ``ENDINGS``, by default png.

    Raises:
        UserError: If it cannot be written.
    """
    ending, content = ENDINGS[format or "png"], io.BytesIO()
    picture, options = _prepared(picture, PIPE.with_suffix(ending), profile, quality)
    picture.save(content, Image.registered_extensions()[ending], **options)
    left = content.getbuffer()
    try:
        while left:
            left = left[sink.write(left) :]
    except OSError as error:
        raise UserError(f"out=- cannot be written ({(error.strerror or str(error)).lower()}): give a file") from None


def _prepared(
    picture: Image.Image, out: Path, profile: bytes | None, quality: int
) -> tuple[Image.Image, dict[str, Any]]:
    """The picture as the file's format takes it, and the options to save it with."""
    ending = out.suffix.lower()
    if (longest := max(picture.size)) > _LONGEST.get(ending, longest):
        raise UserError(f"out={out} cannot hold {picture.width} x {picture.height} pixels: give format=png")
    options: dict[str, Any] = {"quality": quality}
    if ending in (".jpg", ".jpeg"):
        options["subsampling"] = 0  # full color resolution: strokes are small and saturated
        if picture.mode == "RGBA":
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if profile is not None and profile[16:20] == b"RGB ":
        options["icc_profile"] = profile[:24] + bytes(12) + profile[36:]  # without the time it was made
    return picture, options
