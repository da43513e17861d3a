"""Convert Pillow pictures, arrays and tensors to one tensor convention and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from adain.data.picture import to_rgb
from adain.runtime.errors import InputError

Picture = Image.Image | np.ndarray[Any, Any] | Tensor
"""A Pillow picture of any mode; an array ``H x W x 3`` or ``N x H x W x 3``; a tensor ``3 x H x W`` or ``N x 3 x H x W``.
RGB. Arrays and tensors are uint8, or floats in [0, 1]."""

SMALLEST = 16
"""Smallest side, in pixels: after three poolings at least two positions must be left for reflection padding."""


def to_pixels(picture: Picture, what: str) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Return a picture as a tensor, and a function that converts such a tensor back.

    Args:
        picture: See ``Picture``.
        what: Its role in the request ("content", "style"), for messages.

    Returns:
        ``N x 3 x H x W``, uint8 or floats in [0, 1], sharing memory if possible; and a function that gives a tensor
        the type, dtype, device and number of axes of ``picture``. A Pillow picture is turned upright by its EXIF
        orientation; its transparency is composited on white, and restored by the function.

    Raises:
        InputError: If the picture has another type or shape, is smaller than 16 x 16, or has values out of range.
    """
    if isinstance(picture, Image.Image):
        return _opened(picture, what)
    if isinstance(picture, np.ndarray):
        shape, dtype = picture.shape, picture.dtype
        if picture.ndim not in (3, 4) or shape[-1] != 3:
            raise InputError(f"the {what} array is {_by(shape)}: give H x W x 3 or N x H x W x 3, RGB")
        if dtype != np.uint8 and dtype.kind != "f":
            raise InputError(_wrong_type(what, dtype))
        tensor = torch.from_numpy(np.require(picture, requirements=["C", "W"]))
        pixels = _checked(tensor[None].movedim(-1, 1) if picture.ndim == 3 else tensor.movedim(-1, 1), what)

        def as_array(output: Tensor) -> np.ndarray[Any, Any]:
            array = output.permute(0, 2, 3, 1).cpu().numpy()
            return (array[0] if len(shape) == 3 else array).astype(dtype, copy=False)

        return pixels, as_array
    if isinstance(picture, Tensor):
        if picture.ndim not in (3, 4) or picture.shape[-3] != 3:
            raise InputError(f"the {what} tensor is {_by(picture.shape)}: give 3 x H x W or N x 3 x H x W, RGB")
        pixels = _checked(picture.detach() if picture.ndim == 4 else picture.detach()[None], what)

        def as_tensor(output: Tensor) -> Tensor:
            return (output if picture.ndim == 4 else output[0]).to(picture)

        return pixels, as_tensor
    raise InputError(f"the {what} is a {type(picture).__name__}: give a Pillow picture, an array or a tensor")


def _opened(picture: Image.Image, what: str) -> tuple[Tensor, Callable[[Tensor], Image.Image]]:
    if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
    full = to_rgb(picture, keep_alpha=True)
    transparency = full.getchannel("A") if full.mode == "RGBA" else None
    array = np.array(full if transparency is None else to_rgb(full))  # a copy: Pillow's own memory is read-only
    del full

    def as_picture(output: Tensor) -> Image.Image:
        restored = Image.fromarray(output[0].permute(1, 2, 0).cpu().numpy())
        if transparency is not None:
            restored.putalpha(transparency)
        return restored

    return _checked(torch.from_numpy(array).permute(2, 0, 1)[None], what), as_picture


def _wrong_type(what: str, dtype: object) -> str:
    return f"the {what} has values of type {dtype}: give uint8, or floats in [0, 1]"


def _checked(pixels: Tensor, what: str) -> Tensor:
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise InputError(_wrong_type(what, pixels.dtype))
    height, width = pixels.shape[-2:]
    if min(height, width) < SMALLEST:
        raise InputError(f"the {what} picture is {width} x {height}: give one of at least {SMALLEST} x {SMALLEST}")
    if not len(pixels):
        raise InputError(f"the {what} is an empty batch: give at least one picture")
    if pixels.is_floating_point():
        low, high = (float(bound) for bound in pixels.aminmax())
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # written with not, because NaN compares false
            raise InputError(f"the {what} has values from {low:g} to {high:g}: floats must be in [0, 1]")
    return pixels


def to_mask(mask: Picture, size: tuple[int, int], number: int) -> Tensor:
    """Return a soft mask of the content's size.

    Args:
        mask: A Pillow picture (its lightness; transparent parts count as black), or an array or tensor ``H x W`` of
            bools, uint8, or floats in [0, 1].
        size: The content's height and width. A mask of another size is resized to it.
        number: The mask's number, from 1, for messages.

    Returns:
        ``1 x 1 x H x W``, uint8 or float32 in [0, 1].

    Raises:
        InputError: If the mask has another shape, values outside [0, 1], or covers nothing.
    """
    if isinstance(mask, Image.Image):
        gray = np.array(on_black(mask).resize(size[::-1], Image.Resampling.BILINEAR))
        tensor = torch.from_numpy(gray)
    else:
        array = mask if isinstance(mask, Tensor) else torch.from_numpy(np.require(mask, requirements=["C", "W"]))
        tensor = array.detach().squeeze()
        if tensor.ndim != 2:
            raise InputError(f"mask {number} is {_by(np.shape(mask))}: give H x W")
        if tensor.dtype == torch.bool:
            tensor = tensor.float()
        if tensor.dtype != torch.uint8:
            tensor = tensor.float()
            low, high = (float(bound) for bound in tensor.aminmax())
            if not (low >= 0 and high <= 1):
                raise InputError(f"mask {number} has values from {low:g} to {high:g}: floats must be in [0, 1]")
        if tuple(tensor.shape) != size:
            scaled = unit(tensor)[None, None]
            tensor = F.interpolate(scaled, size, mode="bilinear", antialias=True)[0, 0].clamp(0, 1)
    if not bool(tensor.any()):
        raise InputError(f"mask {number} covers nothing: make some of it white, or leave it and its style out")
    return tensor[None, None]


def on_black(mask: Image.Image) -> Image.Image:
    """Return a mask's lightness in mode ``L``, with transparent parts black."""
    full = to_rgb(mask, keep_alpha=True)
    if full.mode == "RGBA":
        full = Image.alpha_composite(Image.new("RGBA", full.size, "black"), full)
    return full.convert("L")


def unit(pixels: Tensor, device: torch.device | None = None) -> Tensor:
    """Return pixels as float32 in [0, 1] on a device; floats keep their values, uint8 is divided by 255.

    The result is channels first: networks would follow a picture's channels-last layout, which is slower in float32.
    """
    moved = (pixels.to(device) if device is not None else pixels).contiguous()
    return moved.float().div_(255) if moved.dtype == torch.uint8 else moved.float()


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"
