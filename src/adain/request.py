"""What can be known of a request to stylise before any picture is opened. Nothing heavy is imported for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

from adain.choices import VIDEO_RESULTS, PreserveColor
from adain.errors import UserError


def check_request(
    styles: int,
    alpha: float,
    weights: Sequence[float] | None,
    masks: int | None,
    preserve_color: str,
    extrapolate: bool,
) -> None:
    """What can be known of a request before any picture is opened.

    Raises:
        UserError: If a number is out of its range, or there is not one weight and one mask a style.
    """
    if not alpha >= 0 or (alpha > 1 and not extrapolate) or alpha == float("inf"):
        beyond = "; more than 1 is exaggeration, for which set extrapolate=true" if alpha > 1 else ""
        raise UserError(f"alpha={alpha} is out of range: give 0 (the content) to 1 (the full style){beyond}")
    if weights is not None:
        if len(weights) != styles:
            raise UserError(f"{len(weights)} weights are given for {styles} styles: give one for each")
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
            raise UserError(f"weights={list(weights)} cannot be used: give numbers of at least 0, not all of them 0")
    if masks is not None and masks != styles:
        raise UserError(f"{masks} masks are given for {styles} styles: give one for each")
    if preserve_color not in get_args(PreserveColor):
        raise UserError(f"preserve_color={preserve_color} is unknown: choose {', '.join(get_args(PreserveColor))}")


def is_live(content: str) -> bool:
    """Whether a content is read as it comes and cannot be read twice: ``-``, ``camera:0`` or ``/dev/video0``."""
    return re.fullmatch(r"-|camera:\d+|/dev/video\d+", content) is not None


def check_video(out: str, temporal: float, side: int | None, seconds: float | None, crf: int) -> None:
    """What can be known of a video's options before it is opened.

    Raises:
        UserError: If one is out of its range.
    """
    if not out.lower().endswith(VIDEO_RESULTS):
        raise UserError(f"out={out} has no video's ending: give {', '.join(VIDEO_RESULTS[:-1])} or {VIDEO_RESULTS[-1]}")
    if not 0 <= temporal <= 1:
        raise UserError(f"temporal={temporal} is out of range: give 0 (each frame by itself) to 1 (the scene's first)")
    if side is not None and side < 16:
        raise UserError(f"side={side} is too small: give at least 16 pixels")
    if seconds is not None and not seconds > 0:
        raise UserError(f"seconds={seconds} leaves nothing: give more than 0")
    if not 0 <= crf <= 51:
        raise UserError(f"crf={crf} is out of range: give 0 (lossless) to 51 (worst); 18 is the default")
