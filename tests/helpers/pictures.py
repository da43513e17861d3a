"""Made-up pictures and files of them. Without torch: tests start processes that import this and need none."""

from __future__ import annotations

import builtins
import functools
import io
import itertools
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw

if TYPE_CHECKING:
    import pytest


def smooth(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Random colors without edges, width x height: no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def edged(size: tuple[int, int] = (65, 47), ground: str = "navy", stroke: str = "khaki") -> Image.Image:
    """A disc and slanted lines."""
    width, height = size
    picture = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width // 8, height // 8, width // 2, height // 2), fill=stroke)
    for x in range(0, width, 6):
        pen.line((x, height, width, x), fill=stroke)
    return picture


def gradient(width: int, height: int) -> Image.Image:
    """Red rises to the right and green downwards, a level a pixel as far as 255 go: a pixel tells where it was."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x, y, 255 - x], -1).clip(0, 255).astype(np.uint8))


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (96, 72), **options: Any) -> Path:
    """Saves a smooth picture, in a new folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    smooth(seed, size).save(path, **options)
    return path


def draw_folders(root: Path) -> Path:
    """``content/`` with three pictures of 64 x 48 and ``style/`` with two red ones of 48 x 56."""
    for index in range(3):
        draw(root / "content" / f"c{index}.png", index, (64, 48))
    (root / "style").mkdir()
    for index in range(2):
        red = np.asarray(smooth(10 + index, (48, 56))) * (1.0, 0.2, 0.1)
        Image.fromarray(red.astype(np.uint8)).save(root / "style" / f"s{index}.png")
    return root


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file: ``encode(picture, "JPEG", quality=90)``."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def solid(red: int, side: int = 20) -> bytes:
    """The bytes of a PNG that can be told by its red value."""
    return encode(Image.new("RGB", (side, side), (red, 0, 0)))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, chunk: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return png[:33] + chunk + png[33:]


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, whose data would inflate further than that of a small one."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(100_000))) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def green_first() -> bytes:
    """The profile of a space whose first channel is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"sRGB", b"odd ").replace("sRGB".encode("utf-16-be"), "oddd".encode("utf-16-be"))
    for one, other in ((b"rXYZ", b"gXYZ"), (b"rTRC", b"gTRC")):
        swapped = swapped.replace(one, b"????").replace(other, one).replace(b"????", other)
    return swapped


HOSTILE = {
    "bomb.png": (png_header(60_000, 60_000), "max_pixels=8000000"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "not a picture"),
    "text.jpg": (b"this is a text", "not a picture"),
    "empty.png": (b"", "not a picture"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(%pipe%id) (w) file\n", "not a picture"),
    "large.jpg": (b"\xff\xd8" + b"0" * 2_100_000, "at most 2 MB"),
}
"""Uploads that are no pictures, and what is said of each."""


def matrix_profile(name: str, gamma: float, space: bytes = b"RGB ") -> bytes:
    """The profile of sRGB's primaries, or of gray, with a plain gamma, called ``name``."""
    colors = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))
    described = struct.pack(">4s4xI", b"desc", len(name) + 1) + name.encode() + bytes(79)
    curve = struct.pack(">4s4xIHxx", b"curv", 1, round(gamma * 256))
    tags = [(b"desc", described), (b"wtpt", xyz(0.9642, 1, 0.8249))]
    if space == b"RGB ":
        tags += [(f"{channel}XYZ".encode(), xyz(*color)) for channel, color in zip("rgb", colors, strict=True)]
    tags += [(f"{channel}TRC".encode(), curve) for channel in ("rgb" if space == b"RGB " else "k")]
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for kind, data in tags:
        table += struct.pack(">4sII", kind, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    return (head + xyz(0.9642, 1, 0.8249)[8:]).ljust(128, b"\0") + table + body


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def printer() -> bytes:
    """The profile of a press whose inks make grays: Lab L = 100 - 50 C - 40 M - 10 Y, whatever K, at the 16 corners."""
    lights = [100 - 50 * c - 40 * m - 10 * y for c, m, y, k in itertools.product((0, 1), repeat=4)]
    ramp, identity = bytes(range(256)), [int(row == column) << 16 for row in range(3) for column in range(3)]
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *identity)  # 4 inks, Lab, 2 points on each axis, 8 bits
    table += 4 * ramp + bytes(value for light in lights for value in (round(2.55 * light), 128, 128)) + 3 * ramp
    name = struct.pack(">4s4xI", b"desc", 9) + b"grayish\0\0" + bytes(79)
    header = struct.pack(">IIIIII", 0, 0, 0x02400000, *(int.from_bytes(s, "big") for s in (b"prtr", b"CMYK", b"Lab ")))
    header += struct.pack(">6H4s28x3i48x", 2026, 1, 1, 0, 0, 0, b"acsp", 0xF6D6, 0x10000, 0xD32D)  # illuminant D50
    at = len(header) + 4 + 2 * 12
    tags = struct.pack(">I4sII4sII", 2, b"desc", at, len(name), b"A2B0", at + len(name), len(table))
    profile = header + tags + name + table
    return struct.pack(">I", len(profile)) + profile[4:]


def deny(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let no folder of this name be read, whoever asks: root may read all."""
    scan, read = os.scandir, builtins.open

    def denied(real: Any, path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike) and os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "scandir", functools.partial(denied, scan))
    monkeypatch.setattr(builtins, "open", functools.partial(denied, read))
