"""What the page can do, without the page: uploads read within limits, styles encoded once, painted masks, live frames."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Literal, NamedTuple, cast

import numpy as np
from PIL import Image, ImageFilter
from PIL.TiffImagePlugin import TiffImageFile

from adain.data.image_io import SMALLEST
from adain.data.picture import PictureError, TooLarge, decode_picture
from adain.functional.statistics import Statistics
from adain.inference.request import check_request
from adain.inference.stylizer import Stylizer
from adain.runtime.errors import InputError
from adain.runtime.schema import PreserveColor

Source = Path | bytes
"""An upload: a file, or the bytes of one."""

Masks = np.ndarray[tuple[int, int, int], np.dtype[np.float64]]
"""What each brush covers."""

COLORS = ("#d1495b", "#2e86ab", "#e0a030", "#4f9d69")
"""Of the four brushes, one a style."""

KINDS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF")
"""Formats that are taken. Pillow opens more, some of them by starting other programs."""

_STYLES_KEPT = 256  # of 4 KB each
_PAINT_PIXELS = 1_000_000  # the page paints on at most 640 x 640
_SCANS = 100  # of a progressive JPEG file, which has about ten; each is a pass over all pixels


class Limits(NamedTuple):
    """How much an upload may be.

    Attributes:
        max_bytes: Of a file.
        max_pixels: Of a picture, before it is reduced.
        side: Pixels of the longer side; larger pictures are reduced to it.
        live_side: The same for webcam frames.
    """

    max_bytes: int
    max_pixels: int
    side: int
    live_side: int


class Read(NamedTuple):
    """An upload that was accepted: RGB, or RGBA where that was asked for, upright, and the width and height it came with."""

    picture: Image.Image
    size: tuple[int, int]


class Studio:
    """A stylizer for many visitors: one picture at a time, decoded or painted, and every style encoded once.

    Args:
        stylizer: The trained decoder's.
        limits: Of uploads.

    Attributes:
        encoded: How many style pictures went through the encoder so far.
    """

    def __init__(self, stylizer: Stylizer, limits: Limits) -> None:
        self.stylizer, self.limits = stylizer, limits
        self.encoded = 0
        self._styles: OrderedDict[str, Statistics] = OrderedDict()
        self._lock, self._decoding = Lock(), Lock()  # so that a photograph is read while a picture is painted

    def read(self, source: Source, what: str, side: int | None = None, keep_alpha: bool = False) -> Read:
        """Decode an upload and reduce it to ``side``, the limits' own by default; transparency is laid on white or kept.

        Raises:
            InputError: If it is not a picture of an allowed kind, or is too large, too small or too narrow.
        """
        side = self.limits.side if side is None else side
        size = len(source) if isinstance(source, bytes) else source.stat().st_size if source.is_file() else 0
        if size > self.limits.max_bytes:
            raise InputError(
                f"The {what} has {size / 2**20:.0f} MB: give a file of at most {self.limits.max_bytes / 2**20:.0f} MB."
            )
        try:
            with self._decoding, io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
                _check_header(stream, self.limits.max_pixels)
                picture = decode_picture(
                    stream, None, self.limits.max_pixels, SMALLEST, keep_alpha, longest=side, formats=KINDS
                )
        except FileNotFoundError:
            raise InputError(f"The {what} is no longer here: give it again.") from None
        except PictureError as error:
            advice = "smaller" if isinstance(error, TooLarge) else f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
            raise InputError(f"The {what} cannot be used ({error}): give a {advice} picture.") from None
        full = picture.info["full_size"]
        if max(picture.size) > side:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        if min(picture.size) < SMALLEST:
            raise InputError(
                f"The {what} is {full[0]} x {full[1]} and would be under {SMALLEST} pixels at {side}: crop it first."
            )
        return Read(picture, full)

    def style(self, source: Source) -> Statistics:
        """Return a style's statistics, from the cache if the same bytes came before.

        Raises:
            InputError: As ``read``.
        """
        data = source if isinstance(source, bytes) else source.read_bytes()
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            if key in self._styles:
                self._styles.move_to_end(key)
                return self._styles[key]
        picture = self.read(data, "style").picture
        with self._lock:
            if key not in self._styles:
                self._styles[key] = self.stylizer.encode_style(picture)
                self.encoded += 1
                if len(self._styles) > _STYLES_KEPT:
                    self._styles.popitem(last=False)
            return self._styles[key]

    def stylize(
        self,
        content: Source | None,
        styles: Sequence[Source | None],
        shares: Sequence[float],
        alpha: float = 1.0,
        preserve_color: PreserveColor = "none",
        paint: str = "",
        rest: Literal["photograph", "mix"] = "photograph",
        soft: float = 0.0,
    ) -> tuple[Read, Image.Image]:
        """Return a picture in one to four styles.

        Args:
            content: The photograph.
            styles: One a place; None where a place is empty.
            shares: Of the mix, one a place, at least 0.
            alpha: From 0, the photograph, to 1, the full style.
            preserve_color: See ``Stylizer.stylize``.
            paint: A PNG as a data URL, of any size: place k's color of ``COLORS`` where style k acts; empty for everywhere.
            rest: What unpainted parts become: they stay as they are, or take the mix of all styles.
            soft: How far the edges of the paint are blurred: the standard deviation, as a share of the longer side.

        Returns:
            The photograph as it was used, and the result of its size.

        Raises:
            InputError: If something is missing or cannot be used.
        """
        if content is None:
            raise InputError("There is no photograph yet: upload one, take one, or choose a sample.")
        places = [place for place, style in enumerate(styles) if style is not None]
        chosen = [style for style in styles if style is not None]
        weights = [float(shares[place]) for place in places]
        if not chosen:
            raise InputError("There is no style yet: choose a painting, or upload one.")
        if len(chosen) > 1 and not any(weights):
            raise InputError("Every style's share is 0: raise at least one.")
        mix = weights if len(chosen) > 1 else None
        check_request(len(chosen), alpha, mix, None, preserve_color, False)
        read = self.read(content, "photograph", keep_alpha=True)
        masks = None
        if paint:
            covers = painted(paint)
            for place in range(len(styles)):
                if place not in places and covers[place].any():
                    raise InputError(
                        f"Parts are painted with style {place + 1}, which is empty: choose a style there, or clear the paint."
                    )
            if covers.any():
                kept = blurred(covers, soft)[places] if soft else covers[places]
                if rest == "mix":
                    share = np.asarray(mix or [1.0])
                    kept = kept + (1 - kept.sum(0)) * (share / share.sum())[:, None, None]
                used = [i for i in range(len(chosen)) if kept[i].any()]
                chosen, masks, mix = [chosen[i] for i in used], [kept[i].astype(np.float32) for i in used], None
        given: list[Image.Image | Statistics]
        if preserve_color == "coral":  # it changes the style picture, so that nothing can be kept
            given = [self.read(style, "style").picture for style in chosen]
        else:
            given = [self.style(style) for style in chosen]
        with self._lock:
            made = self.stylizer.stylize(
                read.picture, styles=given, weights=mix, masks=masks, alpha=alpha, preserve_color=preserve_color
            )
        return read, made

    def frame(
        self,
        frame: Source,
        styles: Sequence[Source | None],
        shares: Sequence[float],
        alpha: float,
        preserve_color: PreserveColor,
    ) -> Image.Image:
        """Return a webcam's frame, stylized at ``live_side``.

        Raises:
            InputError: As ``stylize``.
        """
        chosen = [(style, share) for style, share in zip(styles, shares, strict=True) if style is not None]
        if not chosen:
            raise InputError("Choose a style: the picture follows at once.")
        weights = [share for _, share in chosen]
        picture = self.read(frame, "frame", self.limits.live_side).picture
        given = [self.style(style) for style, _ in chosen]
        luminance: PreserveColor = "none" if preserve_color == "none" else "luminance"  # coral encodes anew each time
        with self._lock:
            return self.stylizer.stylize(
                picture, styles=given, weights=weights if any(weights) else None, alpha=alpha, preserve_color=luminance
            )


def painted(paint: str) -> Masks:
    """Return the masks of a painted picture.

    Args:
        paint: A PNG as a data URL; each pixel counts for the brush whose color is nearest, as much as it is opaque.

    Returns:
        ``4 x H x W`` in [0, 1]; the sum over the first axis is at most 1.

    Raises:
        InputError: If it is no such picture.
    """
    try:
        data = base64.b64decode(paint.partition(",")[2], validate=True)
        picture = decode_picture(io.BytesIO(data), max_pixels=_PAINT_PIXELS, keep_alpha=True, formats=("PNG",))
    except (binascii.Error, ValueError) as error:  # PictureError is a ValueError
        raise InputError(f"The painting cannot be used ({error}): clear it and paint again.") from None
    if picture.mode == "RGB":
        picture.putalpha(255)
    pixels = np.asarray(picture).astype(np.float64)
    brushes = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in COLORS], dtype=np.float64)
    nearest = ((pixels[None, ..., :3] - brushes[:, None, None]) ** 2).sum(-1).argmin(0)
    opacity = pixels[..., 3] / 255
    opacity[opacity < 0.02] = 0
    return cast(Masks, np.stack([np.where(nearest == k, opacity, 0) for k in range(len(COLORS))]))


def blurred(masks: Masks, soft: float) -> Masks:
    """Return masks whose edges are soft; their sum stays at most 1.

    Args:
        masks: ``4 x H x W`` in [0, 1].
        soft: The standard deviation, as a share of the longer side.
    """
    blur = ImageFilter.GaussianBlur(soft * max(masks.shape[1:]))
    made = np.stack([np.asarray(Image.fromarray((255 * mask).round().astype(np.uint8)).filter(blur)) for mask in masks])
    return cast(Masks, made / np.maximum(made.sum(0, dtype=np.float64), 255))


def _check_header(stream: IO[bytes], max_pixels: int) -> None:
    """Refuse a file before it is decoded, and go back to its start.

    Raises:
        PictureError: If it is none of ``KINDS`` by its first bytes, or its header asks for more memory, or more passes
            over its pixels, than a picture of ``max_pixels`` needs.
    """
    try:
        with Image.open(stream, formats=KINDS) as picture:
            tile = picture.tag_v2.get(322, 1) * picture.tag_v2.get(323, 1) if isinstance(picture, TiffImageFile) else 1
            most = max_pixels // 4 if picture.format == "WEBP" else max_pixels  # Pillow keeps four copies of it
            if max(picture.width * picture.height, tile) > most:
                raise TooLarge(f"{picture.width} x {picture.height}, or a tile of it, is over max_pixels={most}")
            stream.seek(0)
            if picture.format in ("JPEG", "MPO") and stream.read().count(b"\xff\xda") > _SCANS:
                raise PictureError(f"it has over {_SCANS} scans")
    except Image.DecompressionBombError:
        raise TooLarge(f"more pixels than max_pixels={max_pixels}") from None
    except PictureError:
        raise
    except Exception:
        raise PictureError("not a picture, or of another kind") from None
    stream.seek(0)
