"""A request to stylize, and the checks that need no picture. Nothing heavy is imported here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from adain.methods.interface import CAPABILITIES, known_method, require
from adain.runtime.errors import InputError, UserError
from adain.runtime.schema import Arithmetic, PreserveColor


@dataclass(frozen=True, kw_only=True)
class StylizeRequest:
    """What ``make stylize`` is asked for, as typed. ``conf/inference/stylize.yaml`` explains each key."""

    content: Any
    style: Any
    styles: Any
    weights: list[float] | None
    masks: Any
    pairing: str
    decoder: str | None
    alpha: float
    extrapolate: bool
    preserve_color: PreserveColor | bool
    grid: str | None
    cell: int
    out: str | None
    format: str | None
    quality: int
    overwrite: bool
    tile: str | int | None
    stroke: float | None
    side: int | None
    max_pixels: int
    temporal: float
    seconds: float | None
    crf: int
    batch_size: int | None
    device: str | None
    precision: Arithmetic
    logs: str
    model: Mapping[str, Any]

    @property
    def model_name(self) -> str:
        """``adain``, or another of the paper's systems."""
        return str(self.model["name"])

    @property
    def color(self) -> PreserveColor:
        """``preserve_color`` as ``Stylizer`` takes it."""
        if isinstance(self.preserve_color, bool):
            return "coral" if self.preserve_color else "none"
        return self.preserve_color

    @property
    def tile_side(self) -> int | Literal["auto"] | None:
        """``tile`` as ``Stylizer`` takes it.

        Raises:
            UserError: If it is neither ``auto``, ``none`` nor a number of at least 64.
        """
        word = str(self.tile).lower()
        if word == "auto":
            return "auto"
        if word in ("none", "0"):
            return None
        if not word.isdigit() or int(word) < 64:
            raise UserError(
                f"tile={self.tile} cannot be used: give auto, none, or the side of a tile of 64 pixels or more"
            )
        return int(word)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that ``Stylizer.stylize`` and ``stylize_video`` share, but for the pictures."""
        return {
            "alpha": self.alpha,
            "weights": self.weights,
            "preserve_color": self.color,
            "extrapolate": self.extrapolate,
            "tile": self.tile_side,
            "stroke": self.stroke,
        }


def check_model(request: StylizeRequest) -> None:
    """Check that the chosen model can do what is asked of it.

    Raises:
        UserError: At the first that it cannot do.
    """
    name = known_method(request.model_name)
    can = CAPABILITIES[name]
    if name == "adain":
        return
    if request.grid == "decoders":
        raise UserError(f"grid=decoders compares decoders of model=adain, but model={name} is given: leave it out")
    if not can.any_style and (request.style is not None or request.styles is not None):
        require(name, "any_style")
    if not can.alpha and (request.alpha != 1 or request.grid == "alpha"):
        require(name, "alpha")
    if request.masks is not None:
        require(name, "masks")
    if request.styles is not None or request.grid == "corners":
        require(name, "mixing")
    if not can.any_style and request.color == "coral":
        raise UserError(f"preserve_color=coral changes the style picture, but model={name} takes none: give luminance")
    if str(request.tile).lower() not in ("auto", "none"):
        raise UserError(f"tile={request.tile} is for model=adain: model={name} takes each picture whole, leave it out")
    if request.stroke is not None:
        raise UserError(f"stroke={request.stroke} is for model=adain: leave it out with model={name}")
    if request.precision not in ("auto", "32-true"):
        raise UserError(
            f"precision={request.precision} is for model=adain: model={name} works in float32, leave it out"
        )
    if not can.trained and request.decoder not in ("auto", "latest", None):
        raise UserError(
            f"decoder={request.decoder} is for trained models, but model={name} has no decoder: leave it out"
        )


def check_request(
    styles: int,
    alpha: float,
    weights: Sequence[float] | None,
    masks: int | None,
    preserve_color: str,
    extrapolate: bool,
) -> None:
    """Check the numbers of a request.

    Raises:
        InputError: If a number is out of its range, or there is not one weight and one mask a style.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise InputError(f"alpha={alpha!r} is not a number: give 0 (the content) to 1 (the full style)")
    if not alpha >= 0 or (alpha > 1 and not extrapolate) or alpha == float("inf"):
        beyond = "; more than 1 is exaggeration, which extrapolate allows" if alpha > 1 else ""
        raise InputError(f"alpha={alpha} is out of range: give 0 (the content) to 1 (the full style){beyond}")
    if weights is not None:
        if len(weights) != styles:
            raise InputError(f"weights: {len(weights)} given, styles: {styles}: give one weight for each style")
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
            raise InputError(f"weights={list(weights)} cannot be used: give numbers of at least 0, not all of them 0")
    if masks is not None and masks != styles:
        raise InputError(f"masks: {masks} given, styles: {styles}: give one mask for each style")
    if preserve_color not in get_args(PreserveColor):
        raise InputError(f"preserve_color={preserve_color} is unknown: choose {', '.join(get_args(PreserveColor))}")


def is_live(content: str) -> bool:
    """Return whether a content is a pipe, ``-``, which cannot be read twice."""
    return content == "-"


def check_pipe() -> None:
    """Check that something is piped in.

    Raises:
        UserError: If nothing is.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise UserError("content=- reads a pipe, but nothing is piped in: as in  ffmpeg -i IN -f matroska - | ...")
