"""Writing a result: a file that appears whole, or standard output."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from adain.runtime.errors import UserError
from adain.runtime.files import replacing

ENDINGS = {"png": ".png", "jpg": ".jpg", "jpeg": ".jpg", "webp": ".webp"}
"""File endings of pictures by the word for ``format``."""

PIPE = Path("-")
"""A result on standard output."""

_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500, ".jpe": 65_500}
"""Pixels of a side that the formats can hold."""


def too_large(size: tuple[int, int], out: str) -> bool:
    """Return whether the format of a file's ending cannot hold a picture of this size."""
    longest = max(size)
    return longest > _LONGEST.get(os.path.splitext(out)[1].lower(), longest)


def save(picture: Image.Image, out: Path, profile: bytes | None = None, quality: int = 95) -> None:
    """Write a picture beside its place and move it there whole.

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
    """Write a picture's file into a pipe, as ``save`` does. ``format`` is a key of ``ENDINGS``, by default png.

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
    """Return the picture as the file's format takes it, and the options to save it with."""
    ending = out.suffix.lower()
    if too_large(picture.size, out.name):
        raise UserError(f"out={out} cannot hold {picture.width} x {picture.height} pixels: give format=png")
    options: dict[str, Any] = {"quality": quality}
    if ending in (".jpg", ".jpeg"):
        options["subsampling"] = 0  # full color resolution: strokes are small and saturated
        if picture.mode == "RGBA":
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if profile is not None and profile[16:20] == b"RGB ":
        options["icc_profile"] = profile[:24] + bytes(12) + profile[36:]  # without the time it was made
    return picture, options


def take_standard_output() -> BinaryIO:
    """Return standard output for a result alone: whatever is printed from now on goes to standard error.

    Raises:
        UserError: If it is a terminal.
    """
    if os.isatty(1):
        raise UserError(
            "out=- writes to a pipe, but standard output is a terminal: as in  make --silent ... | ffplay -"
        )
    sys.stdout.flush()
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sink
