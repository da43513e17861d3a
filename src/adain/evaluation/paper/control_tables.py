"""Tables of figure 1 and of the runtime controls, figures 7 to 10, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adain.evaluation.paper.normalization import TITLES
from adain.evaluation.store import Row

_LOSSES = ("content_feature_loss", "content_loss", "style_loss_mean")
_HEAD = "content loss, to the content's features | the same, to the AdaIN target | style loss |"
_CONTROLS = {
    "none": "none: the style's colors",
    "coral": "coral: the style is given the content's colors first",
    "luminance": "luminance: only lightness is stylized",
}


def mean_of(rows: Sequence[Row], key: str, **where: Any) -> float:
    """Return the mean of a column over the rows with these values."""
    return float(np.mean([row[key] for row in rows if all(row[name] == value for name, value in where.items())]))


def values_of(rows: Sequence[Row], key: str) -> list[Any]:
    """Return a column's different values, sorted."""
    return sorted({row[key] for row in rows})


def normalization_table(rows: Sequence[Row]) -> list[str]:
    """Return the table of figure 1: see ``normalization.last_losses``."""
    lines = [
        "Style loss of the training batches, mean over the last tenth of the steps, of one network with instance and with "
        "batch normalization. The paper: instance normalization keeps its lead where the training pictures have one contrast, "
        "and loses most of it where they have one style.", "",
        "| training pictures | steps | instance | batch | batch : instance |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {TITLES[row['version']]} | {row['steps']} | {row['instance']:.3g} | {row['batch']:.3g} | "
        f"{row['batch_over_instance']:.2f} |"
        for row in rows
    ]
    return [*lines, ""]


def strength_tables(alpha: Sequence[Row], weights: Sequence[Row], systems: Mapping[str, str]) -> list[str]:
    """Return figure 7's numbers: losses against alpha, and against lambda; and the reconstruction error at alpha 0."""
    lines = [f"| alpha, at run time | {_HEAD}", "|---|---|---|---|"]
    lines += [f"| {value:g} | {_means(alpha, alpha=value)} |" for value in values_of(alpha, "alpha")]
    if any(row["alpha"] == 0 for row in alpha):
        error = mean_of(alpha, "pixel_error", alpha=0)
        lines += [
            "",
            "At alpha 0 the decoder reconstructs the content: root mean squared error "
            f"{255 * math.sqrt(error):.1f} of 255 gray levels, PSNR {-10 * math.log10(max(error, 1e-12)):.1f} dB.",
        ]
    if weights:
        lines += ["", f"| lambda, in training | how come by | {_HEAD}", "|---|---|---|---|---|"]
        lines += [
            f"| {value:g} | {systems.get(f'style_weight_{value:g}', '')} | {_means(weights, style_weight=value)} |"
            for value in values_of(weights, "style_weight")
        ]
    return [*lines, ""]


def interpolation_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 8's numbers: the style loss to both of two styles, by their weights."""
    lines = ["| weight of the second style | style loss to the first | to the second |", "|---|---|---|"]
    lines += [
        f"| {weight:g} | {mean_of(rows, 'style_loss', weight=weight):.3g} | "
        f"{mean_of(rows, 'second_style_loss', weight=weight):.3g} |"
        for weight in values_of(rows, "weight")
    ]
    return [*lines, ""]


def color_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 9's numbers: losses and distances of colors, by the control."""
    lines = [
        "Distance of colors: Hellinger's, of RGB histograms, 0 to 1. The style loss is to the style in its own colors.", "",
        "| color control | colors, to the content's | to the style's | style loss | content loss, to the content's features |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    columns = ("color_to_content", "color_to_style", "style_loss_mean", "content_feature_loss")
    for control in dict.fromkeys(row["control"] for row in rows):
        cells = " | ".join(f"{mean_of(rows, key, control=control):.3g}" for key in columns)
        lines.append(f"| {_CONTROLS[control]} | {cells} |")
    return [*lines, ""]


def regions_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 10's numbers: each region's style loss to its style, and to the other region's."""
    lines = [
        "Style loss of a region's own statistics. \"Before\": of the content there.", "",
        "| region | to its style | to the other region's style | before, to its style |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for region in dict.fromkeys(row["region"] for row in rows):
        cells = (f"{mean_of(rows, key, region=region):.3g}" for key in ("own_loss", "other_loss", "content_own_loss"))
        lines.append(f"| {region} | {' | '.join(cells)} |")
    return [*lines, ""]


def _means(rows: Sequence[Row], **where: Any) -> str:
    return " | ".join(f"{mean_of(rows, key, **where):.3g}" for key in _LOSSES)
