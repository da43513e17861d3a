"""The mathematics of style transfer as pure tensor functions: no classes, no configuration, no state."""

from adain.functional.losses import gram
from adain.functional.patches import style_swap
from adain.functional.statistics import (
    EPS,
    Statistics,
    adain,
    channel_statistics,
    content_statistics,
    join,
    mix,
    regions,
    target,
)

__all__ = [
    "EPS",
    "Statistics",
    "adain",
    "channel_statistics",
    "content_statistics",
    "gram",
    "join",
    "mix",
    "regions",
    "style_swap",
    "target",
]
