"""Decode any picture file into one convention: RGB, upright, 8 bits, converted to sRGB if it has a color profile."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from adain.data.color import reduce_depth, to_srgb
from adain.data.formats import UNSUPPORTED, pillow_formats, why_unreadable
from adain.runtime.errors import first_line

if TYPE_CHECKING:  # the scan's worker processes need no torch
    from torch import Tensor

MAX_PIXELS = 89_478_485
"""Pillow's limit, above which it suspects a decompression bomb. ``max_pixels`` raises it."""

# Pillow only warns between its limit and twice its limit; `decode_picture` raises an error there.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
PngImagePlugin.MAX_TEXT_CHUNK = 2**24  # Pillow refuses color profiles of over 1 MB

_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG = b"\x89PNG\r\n\x1a\n"


class PictureError(ValueError):
    """Report a file that is not a usable picture. The message is the reason in a few words, without the file's name."""


class TooLarge(PictureError):
    """Report a picture over ``max_pixels``, a limit that the user can raise."""


def read_picture(
    source: Path | IO[bytes],
    short_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    min_side: int = 1,
    keep_alpha: bool = False,
) -> Image.Image:
    """Decode a picture and, if ``short_side`` is given, resize it.

    Args:
        source: A file, or an open stream.
        short_side: New length of the shorter side, in pixels; the aspect ratio is kept.
        max_pixels: See ``decode_picture``.
        min_side: See ``decode_picture``.
        keep_alpha: See ``decode_picture``.

    Returns:
        An RGB picture; with ``keep_alpha``, RGBA if any of it is transparent.

    Raises:
        PictureError: See ``decode_picture``.
    """
    picture = decode_picture(source, short_side, max_pixels, min_side, keep_alpha)
    return picture if short_side is None else resize_short_side(picture, short_side)


def decode_picture(
    source: Path | IO[bytes],
    at_least: int | None = None,
    max_pixels: int = MAX_PIXELS,
    min_side: int = 1,
    keep_alpha: bool = False,
    own_colors: bool = False,
    longest: int | None = None,
    formats: tuple[str, ...] | None = None,
) -> Image.Image:
    """Decode a picture.

    EXIF rotation is applied, transparency composited on white, 16 bits reduced to 8, CMYK and wide-gamut colors
    converted to sRGB. Of an animation the first frame is used.

    Args:
        source: A file, or an open stream.
        at_least: Pixels that the shorter side must keep. A larger JPEG file is decoded at a reduced size (halved while
            it stays large enough), which is several times faster.
        max_pixels: Larger pictures are refused before decoding.
        min_side: Pictures with a shorter side below this are refused before decoding.
        keep_alpha: Whether to keep transparency instead of compositing on white.
        own_colors: Whether to leave the colors of an opaque picture unconverted. The caller then applies ``to_rgb`` to
            the part it uses: converting a large picture takes longer than decoding it.
        longest: Pixels of the longer side that are enough. A picture at least four times as large is reduced, by a whole
            factor, before its colors are converted: that needs 4 bytes of memory a pixel of the file (WebP: 16).
        formats: Pillow's names of the only formats to open, by default of all that are decoded.

    Returns:
        An RGB picture; with ``keep_alpha``, RGBA if any of it is transparent; with ``own_colors``, maybe CMYK or gray.
        Its ``info["full_size"]`` is width and height of the whole picture, upright.

    Raises:
        TooLarge: If it has more than ``max_pixels``.
        PictureError: If the file is missing, empty, truncated or not a picture, or too small; or, with ``at_least``, if
            it is over 64 times longer than wide.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    kinds = pillow_formats() if formats is None else formats
    decode = partial(_decode, kinds, longest, at_least, max_pixels, min_side, keep_alpha, own_colors)
    try:
        return decode(source)
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise TooLarge(f"more pixels than max_pixels={max_pixels}") from None
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        reason = _reason(error, source)
        if isinstance(error, SyntaxError | ValueError | UnidentifiedImageError) and _first_bytes(source, 8) == _PNG:
            for dropped in (_TEXTS, _TEXTS | {b"iCCP"}):
                with suppress(Exception):  # the first reason is the better one
                    return decode(io.BytesIO(_mended_png(_first_bytes(source), dropped)))
        raise PictureError(reason) from None


def _decode(
    formats: tuple[str, ...],
    longest: int | None,
    at_least: int | None,
    max_pixels: int,
    min_side: int,
    keep_alpha: bool,
    own_colors: bool,
    source: Path | IO[bytes],
) -> Image.Image:
    """See ``decode_picture``. Raises whatever Pillow raises."""
    with Image.open(source, formats=formats) as opened:
        if isinstance(source, Path) and source.suffix.lower() in UNSUPPORTED:
            raise UnidentifiedImageError(source)  # Pillow would read a raw photograph's thumbnail
        full = opened.size
        if full[0] * full[1] > max_pixels:
            raise TooLarge(f"{full[0]} x {full[1]} is over max_pixels={max_pixels}")
        if min(full) < min_side:
            raise PictureError(f"{full[0]} x {full[1]} is below {min_side} pixels a side")
        if at_least is not None:
            opened.draft("RGB", resized(full, at_least))
        picture = opened if longest is None else _reduced(opened, longest)
        picture.load()
        turned = _turn_upright(picture)
        opaque = picture.mode in ("RGB", "CMYK", "L") and "transparency" not in picture.info
        decoded = picture if own_colors and opaque else to_rgb(picture, keep_alpha)
        decoded = picture.copy() if decoded is opened else decoded  # the file closes with `opened`
        decoded.info["full_size"] = full[::-1] if turned else full
        return decoded


def _reduced(opened: ImageFile.ImageFile, longest: int) -> Image.Image:
    """Return a picture whose longer side is at least four times too long at two to four times that.

    It is averaged band by band, because most modes must be converted for it: a whole copy would double the memory.
    """
    if max(opened.size) < 4 * longest:
        return opened
    scale = max(opened.size) / (2 * longest)
    opened.draft("RGB", (int(opened.width / scale), int(opened.height / scale)))
    factor = max(opened.size) // (2 * longest)
    if factor < 2:
        return opened  # a JPEG file, which was decoded small
    deep = opened.mode.startswith("I;16")
    transparent = opened.mode in ("P", "PA") or "transparency" in opened.info
    mode = "I" if deep else "RGBA" if transparent else "L" if opened.mode == "1" else opened.mode
    small = Image.new(mode, (-(-opened.width // factor), -(-opened.height // factor)))
    for top in range(0, small.height, 64):
        rows = (0, top * factor, opened.width, min((top + 64) * factor, opened.height))
        small.paste(opened.crop(rows).convert(mode).reduce(factor), (0, top))
    picture = Image.fromarray(np.asarray(small).astype(np.uint16)) if deep else small
    picture.info = {key: value for key, value in opened.info.items() if key != "transparency"}
    return picture


def _turn_upright(picture: Image.Image) -> bool:
    """Apply the EXIF orientation in place, and return whether width and height changed places. Broken EXIF is ignored."""
    try:
        lying = picture.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        ImageOps.exif_transpose(picture, in_place=True)
    except (SyntaxError, ValueError, KeyError, struct.error):
        return False
    return lying


def _mended_png(data: bytes, dropped: frozenset[bytes]) -> bytes:
    """Return a PNG file without some kinds of chunks, and without metadata whose checksum is wrong.

    Viewers show such files, but Pillow refuses texts of many megabytes, odd profiles, and any wrong checksum.
    """
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length]
        damaged = zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big")
        needed = not kind[0] & 0x20  # written in capitals
        if needed or not (damaged or kind in dropped):
            kept.append(chunk)
        place += len(chunk)
    return b"".join(kept)


def _first_bytes(source: Path | IO[bytes], count: int = -1) -> bytes:
    """Return a file's first bytes, or all of them."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(count)
    source.seek(0)
    return source.read(count)


def _reason(error: Exception, source: Path | IO[bytes]) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, PermissionError):
        return "it may not be read: check its permissions"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, UnidentifiedImageError):
        return why_unreadable(source.name if isinstance(source, Path) else "", _first_bytes(source, 16))
    return first_line(error)


def to_rgb(picture: Image.Image, keep_alpha: bool = False) -> Image.Image:
    """Return a picture of any mode as RGB in sRGB; see ``decode_picture``. The EXIF orientation is not applied.

    A picture that is sRGB already is returned itself, not a copy: copying large pictures is slow.
    """
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return reduce_depth(picture)
    if picture.mode in ("P", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("LA" if picture.mode in ("L", "La") else "RGBA")
    picture = to_srgb(picture)
    if picture.mode in ("RGBA", "LA"):
        picture = picture.convert("RGBA")
        if keep_alpha and picture.getchannel("A").getextrema()[0] != 255:
            return picture
        canvas = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(canvas, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return width and height with the shorter side at ``short_side`` pixels and the aspect ratio kept.

    Raises:
        PictureError: If one side is over 64 times the other.
    """
    scale = short_side / min(size)
    width, height = (max(short_side, round(side * scale)) for side in size)
    if max(width, height) > 64 * short_side:
        raise PictureError(f"{size[0]} x {size[1]} is over 64 times longer than wide")
    return width, height


def resize_short_side(picture: Image.Image, short_side: int) -> Image.Image:
    """Return the picture with its shorter side at ``short_side`` pixels: bicubic, anti-aliased, aspect ratio kept.

    Raises:
        PictureError: See ``resized``.
    """
    if min(picture.size) == short_side:
        return picture
    return picture.resize(resized(picture.size, short_side), Image.Resampling.BICUBIC, reducing_gap=2.0)


def crop_resized(picture: Image.Image, short_side: int, x: int, y: int, side: int) -> Image.Image:
    """Return a square crop of the resized picture, without resizing the rest of it.

    Anti-aliased and bilinear: a third faster than bicubic, and what the paper's code and its ports use.

    Args:
        picture: Any mode that Pillow resizes.
        short_side: Shorter side of the whole resized picture, in pixels.
        x: Left edge of the square in the resized picture.
        y: Upper edge of the square in the resized picture.
        side: Side of the square, in pixels.
    """
    width, height = resized(picture.size, short_side)
    across, down = picture.width / width, picture.height / height
    box = (x * across, y * down, min((x + side) * across, picture.width), min((y + side) * down, picture.height))
    return picture.resize((side, side), Image.Resampling.BILINEAR, box, reducing_gap=2.0)


def to_tensor(picture: Image.Image) -> Tensor:
    """Return an RGB picture as a uint8 tensor, ``3 x H x W``: a quarter of the bytes of floats to send between processes."""
    import torch

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def to_unit(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as float32 in [0, 1]."""
    return pixels.float().div_(255)


def to_picture(tensor: Tensor) -> Image.Image:
    """Return a ``3 x H x W`` tensor in [0, 1] as a Pillow picture. Values out of range are clamped."""
    import torch

    pixels = tensor.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
