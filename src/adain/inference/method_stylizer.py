"""Pictures by the other models and by AdaIN's ablations, through ``methods.load``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from adain.data.image_io import to_pixels, unit
from adain.functional.color import colors, coral, keep_chroma
from adain.inference.request import StylizeRequest
from adain.inference.stylizer import Stylizer
from adain.methods.interface import Method, require
from adain.nn.weights import read_state
from adain.runtime.device import find_device
from adain.runtime.errors import InputError, UserError
from adain.runtime.files import expanded
from adain.runtime.precision import arithmetic
from adain.runtime.run_folder import checkpoint_of
from adain.runtime.schema import PreserveColor


def load_stylizer(request: StylizeRequest, source: str | None) -> tuple[Stylizer | MethodStylizer, str]:
    """Return what makes the pictures, and its name for the lines printed.

    Args:
        request: What is asked for.
        source: The model's checkpoint; None for a model without weights of its own.

    Raises:
        UserError: If a checkpoint is missing or of another system, or an ablation is asked for what it cannot do.
    """
    if request.model_name == "adain":
        decoder = str(source)
        try:
            plain_decoder = Stylizer.load(decoder, request.device, request.precision)
            plain_decoder.show_progress = True
            return plain_decoder, f"decoder {decoder}"
        except InputError:
            if (ablation := _ablation(decoder)) is None:
                raise
        from adain.methods.load import load_method  # brings Lightning, which the plain decoder does not need

        stylizer = MethodStylizer(load_method("adain", ablation, find_device(request.device)))
        if request.alpha != 1 or request.grid == "alpha":
            require("adain", "alpha", stylizer.method.capabilities)
        for key, plain in (("tile", ("auto", "none")), ("precision", ("auto", "32-true")), ("stroke", ("none",))):
            value = getattr(request, key)
            if str(value).lower() not in plain:
                raise UserError(
                    f"{key}={value} is for the plain decoder, but decoder={decoder} is an ablation, which takes each "
                    f"picture whole and in float32: leave {key} out"
                )
        if request.styles is not None or request.masks is not None or request.grid == "corners":
            raise UserError(f"decoder={decoder} is an ablation, which takes one style: give style=PATH without masks")
        return stylizer, f"ablation {decoder}"
    from adain.methods.load import load_method

    called = f"model {request.model_name}, {source or '{} iterations'.format(request.model['iterations'])}"
    method = load_method(checkpoint=source, device=find_device(request.device), **request.model)
    return MethodStylizer(method), called


def _ablation(decoder: str) -> Path | None:
    """Return the checkpoint, if it is of AdaIN with another decoder than the paper's."""
    path = checkpoint_of(expanded(decoder))
    if path is None or path.suffix != ".ckpt":
        return None
    hparams: Any = read_state(path).get("hyper_parameters") or {}
    plain = hparams.get("transfer", "adain") == "adain" and hparams.get("norm", "none") == "none"
    return None if plain else path


class MethodStylizer:
    """A model with the interface of ``Stylizer`` that ``make stylize`` needs: one content, one style, the whole picture.

    Args:
        method: Ready for use.
    """

    def __init__(self, method: Method[Any]) -> None:
        self.method = method
        self.device = getattr(method, "device", None) or next(iter(method.encoder.buffers())).device  # type: ignore[attr-defined]

    def encode_style(self, style: Image.Image) -> Any:
        """Return what the model keeps of a style."""
        with arithmetic(self.device, "32-true"):
            return self.method.encode_style(unit(to_pixels(style, "style")[0], self.device))

    @torch.no_grad()
    def stylize(
        self,
        content: Image.Image,
        *,
        styles: Sequence[Any],
        alpha: float = 1.0,
        preserve_color: PreserveColor = "none",
        **none: Any,
    ) -> Image.Image:
        """Return a picture in a style.

        Args:
            content: A Pillow picture of any mode.
            styles: One: a picture or what ``encode_style`` made of it. None for a network that has learned its style.
            alpha: From 0, the content, to 1.
            preserve_color: As in ``Stylizer.stylize``.
            none: Masks, weights, tiles and strokes, which were refused before.

        Returns:
            Of the content's size, with its transparency.
        """
        pixels, restore = to_pixels(content, "content")
        picture = unit(pixels, self.device)
        with arithmetic(self.device, "32-true"):
            style: Any = styles[0] if styles else self.method.encode_style(picture)
            if isinstance(style, Image.Image):
                painting = unit(to_pixels(style, "style")[0], self.device)
                style = coral(painting, colors(picture)) if preserve_color == "coral" else painting
            made = self.method.stylize(picture, style, alpha)
        if preserve_color == "luminance":
            made = keep_chroma(made, picture)
        result: Image.Image = restore(made.mul(255).round_().to(torch.uint8))
        return result
