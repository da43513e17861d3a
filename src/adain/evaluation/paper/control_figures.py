"""Figure 1 and the runtime controls, figures 7 to 10, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from adain.evaluation.paper.control_tables import mean_of, values_of
from adain.evaluation.paper.figures import save
from adain.evaluation.paper.normalization import TITLES, Losses
from adain.evaluation.paper.request import Version
from adain.evaluation.store import Row
from adain.runtime.schema import GeneratorNorm
from adain.training.curves import smoothed

_NORMS: dict[GeneratorNorm, tuple[str, str, str]] = {
    "instance": ("instance normalization", "#2471a3", "-"),
    "batch": ("batch normalization", "#b9770e", "--"),
}
_LINES = (
    ("style_loss_mean", "style loss", "#c0392b", "o-"),
    ("content_feature_loss", "content loss, to the content's features", "#222222", "s-"),
    ("content_loss", "content loss, to the AdaIN target", "#888888", "^:"),
)


def draw_normalization(path: Path, losses: Losses, examples: Mapping[Version, Image.Image]) -> None:
    """Figure 1: style loss by step, a panel for each version of the training pictures.

    Args:
        path: The PNG file.
        losses: Training losses: drawn as means over a tenth of the steps.
        examples: A training picture in each version, shown in its panel.
    """
    figure, axes = plt.subplots(1, len(TITLES), figsize=(13, 4.2), layout="constrained", sharey=True)
    for axis, (version, title) in zip(axes, TITLES.items(), strict=True):
        for norm, (label, color, dashes) in _NORMS.items():
            if points := losses.get((norm, version)):
                axis.plot(*zip(*points, strict=True), color=color, lw=0.8, alpha=0.25)
                axis.plot(*zip(*smoothed(points), strict=True), color=color, ls=dashes, lw=2, label=label)
        axis.set(title=title, xlabel="step", yscale="log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.25)
        if version in examples:
            inset = axis.inset_axes((0.68, 0.62, 0.3, 0.36))
            inset.imshow(np.asarray(examples[version]))
            inset.set_axis_off()
    axes[0].set_ylabel("style loss (lower is better)")
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, path)


def draw_strength(path: Path, alpha: Sequence[Row], weights: Sequence[Row]) -> None:
    """Beside figure 7: losses against alpha, against lambda, and against each other.

    Args:
        path: The PNG file.
        alpha: Rows of ``alpha``.
        weights: Rows of ``style_weight``, perhaps none yet.
    """
    knobs = [(alpha, "alpha", "alpha, at run time")]
    if weights:
        knobs.append((weights, "style_weight", "lambda, in training"))
    figure, axes = plt.subplots(1, len(knobs) + 1, figsize=(4.4 * (len(knobs) + 1), 4.4), layout="constrained")
    top = 1.05 * max(row[name] for rows, key, _ in knobs for row in _means(rows, key) for name, *_ in _LINES)
    for axis, (rows, key, label) in zip(axes, knobs, strict=False):
        values = values_of(rows, key)
        if key == "style_weight":
            axis.set_xscale("log")
        for name, called, color, marks in _LINES:
            axis.plot(values, [row[name] for row in _means(rows, key)], marks, color=color, ms=5, label=called)
        axis.set(xlabel=label, ylim=(0, top))
        axis.set_xticks(values, [f"{value:g}" for value in values])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("loss (lower is better)")
    last, right, highest = axes[-1], 0.0, 0.0
    for (rows, key, _), label, color, marks in zip(
        knobs, ("alpha, one decoder", "lambda, a decoder each"), ("#c0392b", "#2471a3"), ("o-", "s--"), strict=False
    ):
        points = [(row["content_feature_loss"], row["style_loss_mean"]) for row in _means(rows, key)]
        last.plot(*zip(*points, strict=True), marks, color=color, ms=5, label=label)
        for value, point in zip(values_of(rows, key), points, strict=True):
            last.annotate(f"{value:g}", point, xytext=(5, 5), textcoords="offset points", fontsize=9, color=color)
            right, highest = max(right, point[0]), max(highest, point[1])
    last.set(xlabel="content loss, to the content's features", ylabel="style loss")
    last.set(xlim=(0, 1.15 * right), ylim=(0, 1.15 * highest))  # room for the numbers
    last.grid(alpha=0.25)
    last.legend(frameon=False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


def _means(rows: Sequence[Row], key: str) -> list[dict[str, float]]:
    """Return the mean losses at each value of a knob."""
    return [{name: mean_of(rows, name, **{key: value}) for name, *_ in _LINES} for value in values_of(rows, key)]


def draw_interpolation(
    path: Path, mixes: Sequence[Sequence[Image.Image]], styles: Sequence[Image.Image], rows: Sequence[Row]
) -> None:
    """Figure 8: one content between four styles, and the style loss to each of two.

    Args:
        path: The PNG file.
        mixes: Lines of outputs: the corners are one style each.
        styles: Those at the top left, top right, bottom left, and bottom right.
        rows: Of ``interpolation``.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.4), layout="constrained", width_ratios=(1.5, 1))
    left.imshow(np.asarray(_mosaic(mixes, styles)))
    left.set_axis_off()
    left.set_title("one content between four styles: each stands beside its corner", fontsize=10)
    weights = values_of(rows, "weight")
    for key, label, color, marks in (
        ("style_loss", "to the first style", "#c0392b", "o-"),
        ("second_style_loss", "to the second style", "#2471a3", "s--"),
    ):
        right.plot(weights, [mean_of(rows, key, weight=w) for w in weights], marks, color=color, ms=5, label=label)
    right.set(xlabel="weight of the second style", ylabel="style loss (lower is better)", ylim=(0, None))
    right.set_title("mean over contents and pairs of styles", fontsize=10)
    right.set_xticks(weights, [f"{weight:g}" for weight in weights])
    right.grid(alpha=0.25)
    right.legend(frameon=False)
    save(figure, path)


def _mosaic(mixes: Sequence[Sequence[Image.Image]], styles: Sequence[Image.Image]) -> Image.Image:
    """Return the outputs side by side, with a gap and the styles at the corners outside of them."""
    side, count = mixes[0][0].width, len(mixes)
    gap = side // 8
    whole = Image.new("RGB", ((count + 2) * side + 2 * gap, count * side), "white")
    for i, line in enumerate(mixes):
        for j, picture in enumerate(line):
            whole.paste(picture, ((j + 1) * side + gap, i * side))
    for number, style in enumerate(styles):
        x = (count + 1) * side + 2 * gap if number % 2 else 0
        whole.paste(style, (x, (count - 1) * side if number > 1 else 0))
    return whole
