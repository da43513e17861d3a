"""Decode any picture file into one convention: RGB, upright, 8 bits, converted to sRGB if it has a color profile."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:  # the scan's worker processes need no torch
    from torch import Tensor

from adain.runtime.schema import EXTENSIONS as EXTENSIONS

MAX_PIXELS = 89_478_485
"""Pillow's limit, above which it suspects a decompression bomb. ``max_pixels`` raises it."""

# Pillow only warns between its limit and twice its limit; `decode_picture` raises an error there.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
        formats: Pillow's names of the only formats to open.

    Returns:
        An RGB picture; with ``keep_alpha``, RGBA if any of it is transparent; with ``own_colors``, maybe CMYK or gray.

    Raises:
        TooLarge: If it has more than ``max_pixels``.
        PictureError: If the file is missing, empty, truncated or not a picture, or too small; or, with ``at_least``, if
            it is over 64 times longer than wide.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with Image.open(source, formats=formats) as opened:
            picture: Image.Image = opened
            if picture.width * picture.height > max_pixels:
                raise TooLarge(f"{picture.width} x {picture.height} is over max_pixels={max_pixels}")
            if min(picture.size) < min_side:
                raise PictureError(f"{picture.width} x {picture.height} is below {min_side} pixels a side")
            if at_least is not None:
                opened.draft("RGB", resized(picture.size, at_least))
            if longest is not None:
                picture = _reduced(opened, longest)
            ImageOps.exif_transpose(picture, in_place=True)
            opaque = picture.mode in ("RGB", "CMYK", "L") and "transparency" not in picture.info
            decoded = picture if own_colors and opaque else to_rgb(picture, keep_alpha)
            return picture.copy() if decoded is opened else decoded  # the file closes with `opened`
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise TooLarge(f"more pixels than max_pixels={max_pixels}") from None
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(_reason(error)) from None


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


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, UnidentifiedImageError):
        return "empty or not a picture"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def to_rgb(picture: Image.Image, keep_alpha: bool = False) -> Image.Image:
    """Return a picture of any mode as RGB in sRGB; see ``decode_picture``. The EXIF orientation is not applied.

    A picture that is sRGB already is returned itself, not a copy: copying large pictures is slow.
    """
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return _high_depth_to_rgb(picture)
    if picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if profile := picture.info.get("icc_profile"):
        picture = _to_srgb(picture, profile)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
        if keep_alpha and picture.getchannel("A").getextrema()[0] != 255:
            return picture
        canvas = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(canvas, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _high_depth_to_rgb(picture: Image.Image) -> Image.Image:
    """Scale gray of 16 bits, 32 bits or floats to 8 bits. Pillow's ``convert`` would clip everything above 255."""
    gray = np.asarray(picture).astype(np.float64)
    top = 65535.0 if picture.mode.startswith("I;16") or gray.max() > 255 else 255.0 if gray.max() > 1 else 1.0
    return Image.fromarray((np.clip(gray / top, 0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert colors by the embedded profile. A broken profile is ignored, as in browsers."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source) or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return picture if converted is None else converted


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
