"""The figures of losses and of pictures, as PNG files."""

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
from matplotlib.ticker import FuncFormatter, NullLocator
from PIL import Image

from adain.evaluation.store import Row
from adain.runtime.files import write_whole

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


def draw_losses(path: Path, rows: Sequence[Row], names: Mapping[str, str], subtitle: str) -> None:
    """Losses of Gatys' method over its iterations, those of the other systems as lines across.

    Args:
        path: The PNG file.
        rows: Of the part ``losses``.
        names: What the systems are called.
        subtitle: What was measured on.
    """
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained")
    pixels = [row for row in rows if row["method"] == "gatys"]
    others = [name for name in ("adain", "texture_network", "style_swap") if any(r["method"] == name for r in rows)]
    for axis, (key, title, what) in zip(axes, _PANELS, strict=True):
        steps = sorted({row["iteration"] for row in pixels if row["iteration"]})
        if steps:
            values = [[row[key] for row in pixels if row["iteration"] == step] for step in steps]
            label = f"{names['gatys']}, by iteration"
            axis.plot(steps, [np.mean(v) for v in values], "o-", color=COLORS["gatys"], ms=4, label=label)
            start = [row[key] for row in pixels if row["iteration"] == 0]
            if key != "content_feature_loss" and start:  # there it is 0, which a logarithmic axis has not
                axis.axhline(float(np.mean(start)), color="#999999", lw=1, ls=(0, (1, 3)), label="the content as it is")
        for name in others:
            mean = float(np.mean([row[key] for row in rows if row["method"] == name]))
            axis.axhline(mean, color=COLORS[name], ls=_DASHES[name], lw=1.8, label=names[name])
        axis.set(title=f"{title}\n{what}", xlabel="iterations of Gatys et al.", yscale="log", ylim=_limits(rows, key))
        if steps:
            axis.set_xscale("log")
            axis.set_xticks(steps, [str(step) for step in steps])
            axis.xaxis.set_minor_locator(NullLocator())  # x alone: y needs them for its labels
        axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.yaxis.set_minor_formatter(FuncFormatter(lambda v, _: f"{v:g}" if _leading(v) in (2, 3, 5) else ""))
        axis.grid(alpha=0.25, which="major")
    axes[0].set_ylabel("squared activations of VGG-19 (lower is better)")
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(subtitle, fontsize=10)
    save(figure, path)


def draw_pictures(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Image.Image | None]]) -> None:
    """Pictures in a grid, a title above each column.

    Args:
        path: The PNG file.
        columns: Titles.
        rows: Pictures of one size; None leaves a place empty, with a dash.
    """
    side = 2.2
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(side * len(columns), side * len(rows) + 0.45),
        squeeze=False,
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0, compress=True),
    )
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
    save(figure, path, dpi=150)


def _limits(rows: Sequence[Row], key: str) -> tuple[float, float] | None:
    """Of the axis: a little around all means, at most two and a half decades of them.

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


def save(figure: Any, path: Path, dpi: int = 130) -> None:
    """Write a figure whole, and let go of it."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=dpi)
    plt.close(figure)
    write_whole(path, data.getvalue())
