"""Decoding any picture file into one convention: RGB, upright, 8 bits, sRGB where a profile says what it was."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:  # the scan's processes decode pictures and need no torch
    from torch import Tensor

from adain.runtime.schema import EXTENSIONS as EXTENSIONS

MAX_PIXELS = 89_478_485
"""Pillow's own limit: a picture above it is taken for a decompression bomb. ``max_pixels`` raises it."""

# Between its limit and twice that Pillow only warns; here it is an error of ours, raised by `read_picture`.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class PictureError(ValueError):
    """A file that is no usable picture. The message is the reason, in a few words, without the file's name."""


class TooLarge(PictureError):
    """A picture over ``max_pixels``, a limit that may be raised."""


def read_picture(
    source: Path | IO[bytes],
    short_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    min_side: int = 1,
    keep_alpha: bool = False,
) -> Image.Image:
    """Decodes a picture and, if ``short_side`` is given, resizes it so that its shorter side has so many pixels.

    Args:
        source: A file, or an open stream of one.
        short_side: In pixels; the aspect is kept.
        max_pixels: See ``decode_picture``.
        min_side: The same.
        keep_alpha: The same.

    Returns:
        An RGB picture; with ``keep_alpha`` an RGBA one if any of it is transparent.

    Raises:
        PictureError: As ``decode_picture``.
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
) -> Image.Image:
    """Decodes a picture.

    EXIF rotation is applied, transparency is laid on white, 16 bits become 8, CMYK and wide-gamut colors become sRGB,
    and of an animation the first frame is taken.

    Args:
        source: A file, or an open stream of one.
        at_least: Pixels that the shorter side must keep, in what is to be made of the picture. A JPEG file with more is
            decoded at the next larger power of two only, which is several times faster.
        max_pixels: Larger pictures are refused before they are decoded.
        min_side: So are pictures whose shorter side is below this.
        keep_alpha: Keep transparency in place of laying it on white.
        own_colors: Leave the colors of an opaque picture with an embedded profile as they are, for ``to_rgb`` to convert what
            is taken of it: converting a large picture takes longer than decoding it.

    Returns:
        An RGB picture; with ``keep_alpha`` an RGBA one if any of it is transparent; with ``own_colors`` maybe CMYK or gray.

    Raises:
        TooLarge: If it has more than ``max_pixels``.
        PictureError: If the file is missing, empty, cut short, or no picture; or, with ``at_least``, over 64 times longer
            than wide.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with Image.open(source) as picture:
            if picture.width * picture.height > max_pixels:
                raise TooLarge(f"{picture.width} x {picture.height} is over max_pixels={max_pixels}")
            if min(picture.size) < min_side:
                raise PictureError(f"{picture.width} x {picture.height} is below {min_side} pixels a side")
            if at_least is not None:
                picture.draft("RGB", resized(picture.size, at_least))
            ImageOps.exif_transpose(picture, in_place=True)
            opaque = picture.mode in ("RGB", "CMYK", "L") and "transparency" not in picture.info
            made = picture if own_colors and opaque else to_rgb(picture, keep_alpha)
            return picture.copy() if made is picture else made  # the file is closed
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise TooLarge(f"more pixels than max_pixels={max_pixels}") from None
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, ...
        raise PictureError(_reason(error)) from None


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
    """A picture of any mode as RGB in sRGB; see ``decode_picture``. It itself where it is that: large ones are dear to copy.

    The file's orientation is not applied.
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
    """Gray of 16 bits, 32 bits or floats: scaled, where Pillow's ``convert`` would clip everything above 255."""
    gray = np.asarray(picture).astype(np.float64)
    top = 65535.0 if picture.mode.startswith("I;16") or gray.max() > 255 else 255.0 if gray.max() > 1 else 1.0
    return Image.fromarray((np.clip(gray / top, 0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Colors by the embedded profile; a broken profile is ignored, as browsers do."""
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
    """Width and height with the shorter of them at ``short_side`` pixels, aspect kept.

    Raises:
        PictureError: If one is over 64 times the other.
    """
    scale = short_side / min(size)
    width, height = (max(short_side, round(side * scale)) for side in size)
    if max(width, height) > 64 * short_side:
        raise PictureError(f"{size[0]} x {size[1]} is over 64 times longer than wide")
    return width, height


def resize_short_side(picture: Image.Image, short_side: int) -> Image.Image:
    """The picture with its shorter side at ``short_side`` pixels, aspect kept, anti-aliased, bicubic.

    Raises:
        PictureError: As ``resized``.
    """
    if min(picture.size) == short_side:
        return picture
    return picture.resize(resized(picture.size, short_side), Image.Resampling.BICUBIC, reducing_gap=2.0)


def crop_resized(picture: Image.Image, short_side: int, x: int, y: int, side: int) -> Image.Image:
    """A square of the picture as it would be with its shorter side at ``short_side`` pixels; only the square is made.

    Anti-aliased, bilinear: a third faster than bicubic, and what the paper's code and its ports use.

    Args:
        picture: RGB.
        short_side: Of the whole, in pixels.
        x: Left border of the square in the resized picture.
        y: Its upper border.
        side: Its side, in pixels.
    """
    width, height = resized(picture.size, short_side)
    across, down = picture.width / width, picture.height / height
    box = (x * across, y * down, min((x + side) * across, picture.width), min((y + side) * down, picture.height))
    return picture.resize((side, side), Image.Resampling.BILINEAR, box, reducing_gap=2.0)


def to_tensor(picture: Image.Image) -> Tensor:
    """``3 x H x W``, uint8, of an RGB picture. A quarter of the bytes of floats: worker processes send this."""
    import torch

    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def to_unit(pixels: Tensor) -> Tensor:
    """float32 in [0, 1] of uint8 pixels."""
    return pixels.float().div_(255)


def to_picture(tensor: Tensor) -> Image.Image:
    """A Pillow picture of a ``3 x H x W`` tensor in [0, 1]; values outside are clamped."""
    import torch

    pixels = tensor.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
