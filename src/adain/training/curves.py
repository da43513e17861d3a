"""Losses over the steps of a run: read from its folder, drawn as one picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adain.runtime.errors import UserError
from adain.runtime.files import expanded, relative, replacing
from adain.runtime.run_folder import read_summary

KINDS = (".png", ".svg", ".pdf", ".webp")
"""Endings of a drawing's file."""

_LOSSES = ("content", "style")

Points = Sequence[tuple[float, float]]
"""Steps and values."""


class Curves(NamedTuple):
    """What one training leaves of its losses.

    Attributes:
        name: For the legend.
        held_out: By loss (``content``, ``style``): one point a validation.
        training: The same, one point a logged step.
        reference: Held-out losses of the decoder that the run was compared with, by loss; empty if none.
    """

    name: str
    held_out: Mapping[str, Points]
    training: Mapping[str, Points]
    reference: Mapping[str, float]


def read_curves(folder: Path, name: str) -> Curves:
    """Return a run's losses from its ``summary.json`` and CSV file, as far as it has come.

    Raises:
        UserError: If it has no ``summary.json``, or no validation in it yet.
    """
    if "history" not in read_summary(folder):
        raise UserError(f"{folder} holds no summary.json of a run: give a run's folder, as in run=logs/latest")
    curves = all_curves(folder, name)
    if not any(curves.held_out.values()):
        raise UserError(f"{folder} has no validation yet: wait for its first, or give another run's folder")
    return curves


def all_curves(folder: Path, name: str) -> Curves:
    """Return a run's losses as ``read_curves`` does; empty ones where it has none yet."""
    summary = read_summary(folder)
    held_out = {
        loss: [(row["step"], row[f"val/{loss}"]) for row in summary.get("history") or () if f"val/{loss}" in row]
        for loss in _LOSSES
    }
    training = {loss: training_curve(folder, f"train/{loss}") for loss in _LOSSES}
    return Curves(name, held_out, training, summary.get("reference") or {})


def training_curve(folder: Path, metric: str, most: int = 400) -> list[tuple[float, float]]:
    """Return step and value of a training metric from the CSV logger's files, thinned to a number of points.

    A resumed run has a file for each of its parts; a later one stands in place of what it does again.
    """
    files = sorted(folder.glob("csv/**/metrics.csv"), key=lambda path: path.stat().st_mtime)
    found: list[tuple[float, float]] = []
    for file in files:
        with file.open(newline="") as lines:
            part = [
                (float(row["step"]) + 1, float(row[metric]))  # Lightning counts the step in progress from 0
                for row in csv.DictReader(lines)
                if row.get(metric) and row.get("step")
            ]
        found = [point for point in found if not part or point[0] < part[0][0]] + part
    found = [point for point in found if math.isfinite(point[1])]
    return found[:: max(len(found) // most, 1)]


def smoothed(points: Points, share: float = 0.1) -> list[tuple[float, float]]:
    """Return each point's mean with its neighbors, a share of all points together, fewer at the ends."""
    reach = int(share * len(points)) // 2
    found = []
    for index, (step, _) in enumerate(points):
        near = points[max(index - reach, 0) : index + reach + 1]
        found.append((step, sum(value for _, value in near) / len(near)))
    return found


def _mostly_within(points: Points, limits: tuple[float, float]) -> bool:
    return 2 * sum(limits[0] <= value <= limits[1] for _, value in points) > len(points)


def draw_curves(path: Path, curves: Sequence[Curves], colors: Mapping[str, str] | None = None) -> None:
    """Content and style loss side by side: held-out losses as lines with dots, training losses thin behind them.

    Training losses are of one batch each and scatter: they are drawn as means over a tenth of the run. Those of other
    pictures or sizes than the held-out ones may lie elsewhere: all are left out where most of a run's would be cut off.

    Args:
        path: The file, of one of the ``KINDS``; replaced whole.
        curves: One a run.
        colors: By name; matplotlib's own if None. Needs the extra ``compare``, which brings matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")  # a canvas that needs no screen
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axis, loss in zip(axes, _LOSSES, strict=True):
        shown = [value for run in curves for _, value in run.held_out.get(loss, ())]
        shown += [run.reference[loss] for run in curves if loss in run.reference]
        if shown and max(shown) > 0:
            axis.set_ylim(0.9 * min(shown), 1.1 * max(shown))
        training = [smoothed(run.training.get(loss, ())) for run in curves]
        thin = not shown or all(_mostly_within(points, axis.get_ylim()) for points in training if points)
        for number, (run, points) in enumerate(zip(curves, training, strict=True)):
            color = f"C{number}" if colors is None else colors[run.name]
            if points and thin:
                label = None if run.held_out.get(loss) else run.name
                axis.plot(
                    *zip(*points, strict=True), color=color, lw=1, alpha=0.35 if label is None else 1, label=label
                )
            if held_out := run.held_out.get(loss):
                axis.plot(*zip(*held_out, strict=True), "o-", color=color, lw=1.8, ms=4, label=run.name)
        for value in dict.fromkeys(run.reference[loss] for run in curves if loss in run.reference):
            axis.axhline(value, color="#666666", lw=1.2, ls="--", label="decoder compared with")
        low, high = axis.get_ylim()
        if low > 0 and high / low > 8:
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(title=f"{loss} loss", xlabel="step")
        axis.grid(alpha=0.25, which="major")
    axes[0].set_ylabel("lower is better")
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 4), frameon=False
    )
    with replacing(path) as part:
        figure.savefig(part, dpi=130)
    plt.close(figure)


def report_runs(typed: str, out: str | None, logs: Path) -> None:
    """Draw the losses of one run, or of several beside each other, and print where.

    Args:
        typed: ``latest``, a run's folder, or several, ``A,B``.
        out: The picture; by default ``curves.png`` in the (first) run's folder.
        logs: Where outputs go.

    Raises:
        UserError: If a folder holds no run, or the picture cannot be written.
    """
    words = [word.strip() for word in typed.strip("[]").split(",") if word.strip()]
    folders = [logs / "latest" if word == "latest" else expanded(word) for word in words]
    if not folders:
        raise UserError(f"run={typed} names no run: give latest, a run's folder, or several: run=A,B")
    for word, folder in zip(words, folders, strict=True):
        if not folder.is_dir():
            raise UserError(
                f"run={word} is not a folder: give latest or a run's folder, as in {logs}/runs/NAME/DATE_TIME"
            )
    folders = [folder.resolve() for folder in folders]
    path = expanded(out) if out else folders[0] / "curves.png"
    if path.suffix.lower() not in KINDS:
        raise UserError(f"out={out} must end in {', '.join(KINDS)}")
    names = [f"{folder.parent.name} {folder.name}" for folder in folders]
    try:
        draw_curves(path, [read_curves(folder, name) for folder, name in zip(folders, names, strict=True)])
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give out=FILE") from None
    print(f"curves        {relative(path)}")
