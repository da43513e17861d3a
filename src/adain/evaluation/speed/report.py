"""The results, printed and saved: tables, JSON, CSV, a plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from adain.evaluation.results import write_csv
from adain.evaluation.store import Row
from adain.runtime.files import write_whole

RECIPE_STEPS, RECIPE_BATCH, RECIPE_SIZE = 160_000, 8, 256
"""The published recipe (Huang & Belongie 2017, the authors' code)."""

_TITLES = {
    "train": "training step, plain and ours",
    "stages": "training step by stage",
    "stylize": "stylizing",
    "method": "stylizing",
    "load": "loading",
    "loop": "the training loop",
    "video": "a video, times of a frame",
}


def save(folder: Path, results: dict[str, Any]) -> list[str]:
    """Write ``bench.json``, ``bench.csv`` and, where plotly is installed, ``bench.html``; return their names."""
    rows: list[Row] = results["rows"]
    write_whole(folder / "bench.json", json.dumps(results, indent=2) + "\n")
    if not rows:
        return ["bench.json"]
    write_csv(folder / "bench.csv", rows)
    if (page := _plot(rows)) is None:
        return ["bench.json", "bench.csv"]
    write_whole(folder / "bench.html", page)
    return ["bench.json", "bench.csv", "bench.html"]


def show(results: dict[str, Any], console: Console) -> None:
    """Print all tables, then what they need to be read with."""
    rows: list[Row] = results["rows"]
    for (work, size, batch), places in groupby(rows, lambda row: (row["work"], row["size"], row["batch"])):
        for contestant, found in groupby(places, lambda row: row["contestant"]):
            console.print(_table(f"{_TITLES[work]}, {size} px, batch {batch}: {contestant}", list(found)))
    if operators := results.get("operators"):
        title = "one training step: the operators that take the most time"
        table = Table("operator", box=SIMPLE, title=title, title_justify="left")
        for column in ("calls", "ms", "share"):
            table.add_column(column, justify="right")
        for operator in operators:
            cells = str(operator["calls"]), _ms(operator["seconds"]), f"{operator['share']:.0%}"
            table.add_row(operator["name"], *cells)
        console.print(table)
    for name, rates in results.get("rates", {}).items():
        console.print(
            f"measured limits, {name}: matrix product {rates['matmul'] / 1e9:.0f} GFLOP/s, convolution "
            f"{rates['convolution'] / 1e9:.0f} GFLOP/s, memory {rates['bandwidth'] / 1e9:.1f} GB/s",
            highlight=False,
        )
    for line in (*projections(rows), *results["notes"]):
        console.print(line, highlight=False)


def projections(rows: Sequence[Row]) -> list[str]:
    """Return the published recipe's whole time at each measured rate of its crop size, said as a projection."""
    found = []
    for row in rows:
        if (row["stage"], row["size"]) == ("whole step", RECIPE_SIZE) and row["work"] == "stages":
            hours = RECIPE_STEPS * RECIPE_BATCH / row["per_second"] / 3600
            shown = f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
            found.append(
                f"projected, {row['contestant']}: the published recipe ({RECIPE_STEPS:,} steps x {RECIPE_BATCH} pairs "
                f"at {RECIPE_SIZE} px) takes {shown} at {row['per_second']:.3g} pairs per second (from "
                f"{row['rounds']} steps of batch {row['batch']}, loading and validation not counted)"
            )
    return found


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table("stage", title=title, title_justify="left", padding=(0, 0), box=SIMPLE)
    used = {key: shown for key, shown in _COLUMNS.items() if any(row.get(key) is not None for row in rows)}
    for name, _ in used.values():
        table.add_column(name, justify="right", no_wrap=True)
    table.columns[0].no_wrap = True
    for row in rows:
        cells = (cell(row) if row.get(key) is not None else "" for key, (_, cell) in used.items())
        table.add_row(row["stage"], *cells)
    return table


def _spread(row: Row, key: str) -> str:
    return f"{row[key]:.2f} [{row[f'{key}_q1']:.2f}-{row[f'{key}_q3']:.2f}]"


def _ms(seconds: float) -> str:
    ms = 1000 * seconds
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


_COLUMNS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "median_s": ("ms", lambda row: _ms(row["median_s"])),
    "q1_s": ("quartiles", lambda row: f"{_ms(row['q1_s'])}-{_ms(row['q3_s'])}"),
    "per_second": ("per s", lambda row: f"{row['per_second']:.3g}"),
    "peak_mib": ("MiB", lambda row: f"{row['peak_mib']:,.0f}"),
    "floor_s": ("floor", lambda row: _ms(row["floor_s"])),
    "share": ("share", lambda row: f"{row['share']:.0%}"),
    "against_port": ("x port", lambda row: _spread(row, "against_port")),
    "against_plain": ("x plain", lambda row: _spread(row, "against_plain")),
    "against_default": ("x default", lambda row: f"{row['against_default']:.2f}"),
    "waited": ("waits", lambda row: f"{row['waited']:.1%}"),
    "of_whole": ("of whole", lambda row: f"{row['of_whole']:.0%}"),
}
"""Columns of a printed table, by the key of a row that they need: their heads, and their cells."""


def _plot(rows: Sequence[Row]) -> str | None:
    """Draw bars of all medians with quartiles, the floors as marks; one page, with nothing fetched."""
    try:
        from plotly.subplots import make_subplots
    except ModuleNotFoundError:
        return None
    places = [key for key, _ in groupby(rows, lambda row: (row["work"], row["size"], row["batch"]))]
    figure = make_subplots(
        rows=len(places), cols=1, subplot_titles=[f"{_TITLES[w]}, {s} px, batch {b}" for w, s, b in places]
    )
    colors = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"]
    names = list(dict.fromkeys(row["contestant"] for row in rows))
    shown: set[str] = set()
    for line, place in enumerate(places, 1):
        here = [row for row in rows if (row["work"], row["size"], row["batch"]) == place]
        for name in names:
            own = [row for row in here if row["contestant"] == name]
            if not own:
                continue
            stages = [row["stage"] for row in own]
            figure.add_bar(
                x=stages, y=[row["median_s"] for row in own], name=name, legendgroup=name,
                showlegend=name not in shown, marker_color=colors[names.index(name) % len(colors)], row=line, col=1,
                error_y={
                    "array": [row["q3_s"] - row["median_s"] for row in own],
                    "arrayminus": [row["median_s"] - row["q1_s"] for row in own],
                },
            )  # fmt: skip
            shown.add(name)
        floors = {row["stage"]: row["floor_s"] for row in here if row.get("floor_s")}
        if floors:
            figure.add_scatter(
                x=list(floors), y=list(floors.values()), mode="markers", name="floor", legendgroup="floor",
                showlegend="floor" not in shown, row=line, col=1,
                marker={"symbol": "line-ew-open", "size": 28, "color": "black"},
            )  # fmt: skip
            shown.add("floor")
        figure.update_yaxes(title_text="seconds", rangemode="tozero", row=line, col=1)
    figure.update_layout(height=380 * len(places), template="plotly_white", title="make bench", barmode="group")
    page: str = figure.to_html(include_plotlyjs=True)
    return page
