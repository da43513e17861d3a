"""The kinds of picture files: what Pillow and its plug-ins decode, and what they do not, with the reason."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from importlib import import_module

from PIL import Image

from adain.runtime.extras import install_command

_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""What Pillow only recognizes, or hands to another program."""

_PLUGINS = {
    "heif": (frozenset({".heic", ".heif", ".hif"}), re.compile(rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.S)),
    "jxl": (frozenset({".jxl"}), re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
}
"""Endings and first bytes by the extra that holds the plug-in."""

UNSUPPORTED = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw", ".svg", ".exr", ".hdr"}
)
"""Raw photographs and others that nothing here decodes. Pillow would take some for TIFF files, and read the thumbnail."""


NO_PICTURE = "empty or not a picture"
"""The reason for a file that is of no kind known here."""


@cache
def pillow_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are decoded, after loading the plug-ins that are installed."""
    Image.init()
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        import_module("pillow_jxl")
    return tuple(name for name in Image.ID if name not in _NOT_DECODED)


@cache
def picture_endings() -> frozenset[str]:
    """Return the endings of picture files, in lower case: also of kinds that cannot be read, which are then named."""
    formats = pillow_formats()
    endings = {ending for ending, name in Image.registered_extensions().items() if name in formats}
    return frozenset(endings).union(UNSUPPORTED, *(named for named, _ in _PLUGINS.values()))


def why_unreadable(name: str, head: bytes) -> str:
    """Return why a file is not a picture that can be read, and what to do.

    Args:
        name: The file's name; empty if unknown.
        head: The file's first bytes, at least 16 if it is as long.
    """
    ending = os.path.splitext(name)[1].lower()
    for extra, (endings, magic) in _PLUGINS.items():
        if magic.match(head) or (head and ending in endings):
            return f"{extra.upper()} pictures need a package: {install_command(extra)}"
    if head and ending in UNSUPPORTED:
        return f"{ending} files are not supported: convert it to .jpg or .png"
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "a TIFF file of a rare kind, such as float colors: convert it to 8 or 16 bits"
    return NO_PICTURE
