"""The comparison's figures, as PNG files: figure 1, losses, pictures, and the runtime controls of figures 7 to 10."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # after the choice of a canvas that needs no screen
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from PIL import Image

from adain.evaluation.paper.normalization import TITLES, Losses
from adain.evaluation.paper.published import NAMES
from adain.evaluation.paper.request import Version
from adain.evaluation.paper.tables import mean_of, values_of
from adain.evaluation.store import Row
from adain.runtime.files import write_whole
from adain.runtime.schema import GeneratorNorm
from adain.training.curves import smoothed

COLORS = {
    "gatys": "#222222",
    "adain": "#c0392b",
    "texture_network": "#2471a3",
    "style_swap": "#7d3c98",
    "baseline": "#c0392b",
    "concat": "#2471a3",
    "bn_decoder": "#b9770e",
    "in_decoder": "#1e8449",
}
_DASHES = {"adain": "-", "texture_network": "--", "style_swap": ":"}
_PANELS = (
    ("content_feature_loss", "Content loss", "to the content's own features"),
    ("content_loss", "Content loss", "to the AdaIN target"),
    ("style_loss_mean", "Style loss", "mean and deviation, four layers"),
)
_NORMS: dict[GeneratorNorm, tuple[str, str, str]] = {
    "instance": ("instance normalization", "#2471a3", "-"),
    "batch": ("batch normalization", "#b9770e", "--"),
}
_LINES = (
    ("style_loss_mean", "style loss", "#c0392b", "o-"),
    ("content_feature_loss", "content loss, to the content's features", "#222222", "s-"),
    ("content_loss", "content loss, to the AdaIN target", "#888888", "^:"),
)


def draw_losses(path: Path, rows: Sequence[Row], subtitle: str) -> None:
    """Draw the losses of Gatys' method over its iterations, those of the other systems as lines across.

    Args:
        path: The PNG file.
        rows: Of the part ``losses``.
        subtitle: What was measured on.
    """
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained")
    pixels = [row for row in rows if row["method"] == "gatys"]
    others = [name for name in _DASHES if any(row["method"] == name for row in rows)]
    for axis, (key, title, what) in zip(axes, _PANELS, strict=True):
        steps = sorted({row["iteration"] for row in pixels if row["iteration"]})
        if steps:
            means = [mean_of(pixels, key, iteration=step) for step in steps]
            axis.plot(steps, means, "o-", color=COLORS["gatys"], ms=4, label=f"{NAMES['gatys']}, by iteration")
            # the content's own distance to itself is 0, which a logarithmic axis has not
            if key != "content_feature_loss" and any(row["iteration"] == 0 for row in pixels):
                start = mean_of(pixels, key, iteration=0)
                axis.axhline(start, color="#999999", lw=1, ls=(0, (1, 3)), label="the content as it is")
        for name in others:
            mean = mean_of(rows, key, method=name)
            axis.axhline(mean, color=COLORS[name], ls=_DASHES[name], lw=1.8, label=NAMES[name])
        axis.set(title=f"{title}\n{what}", xlabel="iterations of Gatys et al.", yscale="log", ylim=_limits(rows, key))
        if steps:
            axis.set_xscale("log")
            axis.set_xticks(steps, [str(step) for step in steps])
            axis.xaxis.set_minor_locator(NullLocator())  # x alone: y needs them for its labels
        axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.yaxis.set_minor_formatter(FuncFormatter(lambda v, _: f"{v:g}" if _leading(v) in (2, 3, 5) else ""))
        axis.grid(alpha=0.25, which="major")
    axes[0].set_ylabel("squared activations of VGG-19 (lower is better)")
    _legend(figure, axes)
    figure.suptitle(subtitle, fontsize=10)
    _save(figure, path)


def draw_pictures(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Image.Image | None]]) -> None:
    """Draw pictures in a grid, a title above each column.

    Args:
        path: The PNG file.
        columns: Titles.
        rows: Pictures of one size; None leaves a place empty, with a dash.
    """
    side = 2.2
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0, compress=True)
    size = side * len(columns), side * len(rows) + 0.45
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False, layout=layout)
    for row, line in enumerate(rows):
        for column, picture in enumerate(line):
            axis = axes[row][column]
            axis.set_axis_off()
            if picture is None:
                axis.text(0.5, 0.5, "-", ha="center", va="center", fontsize=14, color="#888888")
            else:
                axis.imshow(np.asarray(picture))
            if row == 0:
                axis.set_title(columns[column], fontsize=9)
    _save(figure, path, dpi=150)


def draw_normalization(path: Path, losses: Losses, examples: Mapping[Version, Image.Image]) -> None:
    """Draw figure 1: style loss by step, a panel for each version of the training pictures.

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
    _legend(figure, axes)
    _save(figure, path)


def draw_strength(path: Path, alpha: Sequence[Row], weights: Sequence[Row]) -> None:
    """Draw what stands beside figure 7: losses against alpha, against lambda, and against each other.

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
        for index, (value, point) in enumerate(zip(values_of(rows, key), points, strict=True)):
            # one knob's numbers stand below its line; the other's above, neighbors on two levels
            below = (-5, -3), {"ha": "right", "va": "top"}
            place, align = below if key == "alpha" else ((0, 9 + 12 * (index % 2)), {"ha": "center"})
            last.annotate(f"{value:g}", point, place, textcoords="offset points", fontsize=9, color=color, **align)
            right, highest = max(right, point[0]), max(highest, point[1])
    last.set(xlabel="content loss, to the content's features", ylabel="style loss")
    last.set(xlim=(0, 1.15 * right), ylim=(0, 1.15 * highest))  # room for the numbers
    last.grid(alpha=0.25)
    last.legend(frameon=False)
    _legend(figure, axes[:1])
    _save(figure, path)


def _means(rows: Sequence[Row], key: str) -> list[dict[str, float]]:
    """Return the mean losses at each value of a knob."""
    return [{name: mean_of(rows, name, **{key: value}) for name, *_ in _LINES} for value in values_of(rows, key)]


def draw_interpolation(
    path: Path, mixes: Sequence[Sequence[Image.Image]], styles: Sequence[Image.Image], rows: Sequence[Row]
) -> None:
    """Draw figure 8: one content between four styles, and the style loss to each of two.

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
    _save(figure, path)


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


def _limits(rows: Sequence[Row], key: str) -> tuple[float, float] | None:
    """Return an axis' limits: a little around all means, at most two and a half decades of them.

    Gatys' method starts at the content, which has no distance to itself, and after one iteration is still a hair from it.
    """
    groups: dict[Any, list[float]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["iteration"]), []).append(row[key])
    means = [float(np.mean(values)) for values in groups.values()]
    means = [mean for mean in means if mean > 0]
    return (max(min(means), max(means) / 300) / 1.5, max(means) * 1.5) if means else None


def _leading(value: float) -> int:
    return round(value / 10 ** np.floor(np.log10(value))) if value > 0 else 0


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    """Write what the axes' lines are below the figure, each label once, in one row."""
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)


def _save(figure: Any, path: Path, dpi: int = 130) -> None:
    """Write a figure whole, and let go of it."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=dpi)
    plt.close(figure)
    write_whole(path, data.getvalue())
