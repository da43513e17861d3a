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
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, rows, key, label in (
        (axes[0], alpha, "alpha", "alpha, at run time"),
        (axes[1], weights, "style_weight", "lambda, in training"),
    ):
        values = values_of(rows, key)
        for name, called, color, marks in _LINES:
            axis.plot(values, [mean_of(rows, name, **{key: v}) for v in values], marks, color=color, ms=5, label=called)
        axis.set(xlabel=label, ylim=(0, None))
        axis.set_xticks(values, [f"{value:g}" for value in values])
    if weights:
        axes[1].set_xscale("log")
        axes[1].set_xticks(values_of(weights, "style_weight"), [f"{v:g}" for v in values_of(weights, "style_weight")])
        axes[1].minorticks_off()
        top = max(axis.get_ylim()[1] for axis in axes[:2])
        axes[0].set_ylim(0, top)
        axes[1].set_ylim(0, top)
    else:
        axes[1].text(0.5, 0.5, "not trained yet", ha="center", transform=axes[1].transAxes, color="#888888")
    for rows, key, label, color, marks in (
        (alpha, "alpha", "alpha, one decoder", "#c0392b", "o-"),
        (weights, "style_weight", "lambda, a decoder each", "#2471a3", "s--"),
    ):
        values = values_of(rows, key)
        points = [
            [mean_of(rows, name, **{key: v}) for v in values] for name in ("content_feature_loss", "style_loss_mean")
        ]
        axes[2].plot(*points, marks, color=color, ms=5, label=label)
        for value, x, y in zip(values, *points, strict=True):
            axes[2].annotate(f"{value:g}", (x, y), xytext=(5, 5), textcoords="offset points", fontsize=9, color=color)
    axes[2].set(xlabel="content loss, to the content's features", ylabel="style loss", xlim=(0, None), ylim=(0, None))
    axes[2].legend(frameon=False)
    axes[0].set_ylabel("loss (lower is better)")
    for axis in axes:
        axis.grid(alpha=0.25)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


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
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.4), layout="constrained", width_ratios=(1.4, 1))
    left.imshow(np.asarray(_mosaic(mixes, styles)))
    left.set_axis_off()
    left.set_title("one content between four styles, which stand beside their corners", fontsize=10)
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
    save(figure, path, dpi=110)


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
