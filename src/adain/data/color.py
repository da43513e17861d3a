"""Convert colors to sRGB by ICC profiles and PNG's color chunks, and reduce deep grays to 8 bits."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageCms

_SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""Pillow's modes by the color space in a profile's header."""
_D50 = np.array([0.9642, 1.0, 0.8249])
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""Chromaticities x, y of white, red, green and blue."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_srgb(picture: Image.Image) -> Image.Image:
    """Return a picture with its colors converted to sRGB: ``L``, ``RGB`` or ``CMYK``, with alpha ``LA`` or ``RGBA``.

    The profile's curves and primaries decide, not its name. PNG's gamma and primaries count where there is no profile.
    A broken profile, or one of another kind of picture, is ignored, as in browsers. A picture that is sRGB already is
    returned itself.
    """
    profile = picture.info.get("icc_profile") or _png_profile(picture)
    if not profile:
        return picture
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    colors = picture if alpha is None else picture.convert(picture.mode[:-1])
    space = _SPACES.get(profile[16:20])
    if space == "RGB" and colors.mode == "L":
        colors = colors.convert("RGB")
    gray = colors.mode in ("L", "I;16") and space == "L"
    transform = _transform(profile, colors.mode) if gray or colors.mode == space else None
    if transform is None:
        return picture
    converted = cast(Image.Image, ImageCms.applyTransform(colors, transform))
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion to sRGB; None if the profile is broken, or changes no color by more than a level."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode in ("L", "RGB"):
        steps = np.linspace(0, 255, 16).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(64, 64, 3)
        test = cube if mode == "RGB" else cube[..., :1].repeat(3, axis=2)
        result = np.asarray(transform.apply(Image.fromarray(test).convert(mode)), np.int16)
        if np.abs(result - test).max() <= 1:
            return None
    return transform


def _png_profile(picture: Image.Image) -> bytes | None:
    """Return the profile that PNG's chunks gAMA and cHRM amount to, or None. sRGB's chunk wins over both."""
    gamma, chromaticities = picture.info.get("gamma"), picture.info.get("chromaticity")
    if picture.format not in ("PNG", None) or "srgb" in picture.info or not (gamma or chromaticities):
        return None
    try:
        with np.errstate(all="raise"):
            return _matrix_profile(float(gamma or 1 / 2.2), tuple(chromaticities or _SRGB))
    except (ArithmeticError, ValueError, TypeError, struct.error, np.linalg.LinAlgError):  # absurd values
        return None


@lru_cache(maxsize=16)
def _matrix_profile(gamma: float, chromaticities: tuple[float, ...]) -> bytes:
    """Return an RGB profile.

    Args:
        gamma: The exponent of the encoding: 1 is linear. 1 / 2.2, which stands for sRGB in many files, is sRGB's curve.
        chromaticities: As ``_SRGB``.
    """
    white, *primaries = [np.array([x / y, 1, (1 - x - y) / y]) for x, y in np.reshape(chromaticities, (4, 2))]
    rgb = np.stack(primaries, axis=1)
    rgb = rgb * np.linalg.solve(rgb, white)  # columns: XYZ of the full red, green and blue
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD @ rgb
    is_srgb = abs(gamma - 1 / 2.2) < 0.005
    curve = (3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045) if is_srgb else (0, 1 / gamma)
    tags = {b"wtpt": _xyz(_D50)}
    for channel, column in zip((b"r", b"g", b"b"), adapted.T, strict=True):
        tags[channel + b"XYZ"] = _xyz(column)
        tags[channel + b"TRC"] = struct.pack(">4s4xHxx", b"para", curve[0]) + _fixed(*curve[1:])
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(tag))
        body += tag
    head = struct.pack(">I4xI12s12x4s28x", start + len(body), 0x04300000, b"mntrRGB XYZ ", b"acsp") + _fixed(*_D50)
    return head.ljust(128, b"\0") + table + body


def _xyz(color: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*color)


def _fixed(*values: float) -> bytes:
    """Return numbers as ICC writes them: signed, 16 bits before and 16 behind the point."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def reduce_depth(picture: Image.Image) -> Image.Image:
    """Return gray of 16 bits, 32 bits or floats as ``RGB`` in sRGB. Pillow's ``convert`` would clip what is above 255.

    Whole numbers reach 1, 255, 65535, or 2**32 - 1, the first that the largest value exceeds by a tenth at most. Floats
    go to 1 or, if they are much larger, to one of the others; what lies over it is clipped.
    """
    if picture.mode == "I;16" and (converted := to_srgb(picture)) is not picture:
        return converted
    gray = np.asarray(picture).astype(np.float32)
    largest = gray.max(where=np.isfinite(gray), initial=0)
    slack = 16 if picture.mode == "F" else 1.1
    units = (65535.0,) if picture.mode.startswith("I;16") else (1.0, 255.0, 65535.0, 2.0**32 - 1)
    top = next((unit for unit in units if largest <= slack * unit), units[-1])
    reduced = Image.fromarray((np.nan_to_num(gray / top).clip(0, 1) * 255).round().astype(np.uint8))
    reduced.info = {key: picture.info[key] for key in ("icc_profile", "gamma", "srgb") if key in picture.info}
    return to_srgb(reduced).convert("RGB")
