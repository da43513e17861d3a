"""A sweep's ranked table, in the terminal and as ``sweep.csv``."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from adain.runtime.files import write_whole
from adain.sweeps.ranking import Ranking, Setting
from adain.sweeps.results import Job, Sweep
from adain.sweeps.space import short_names, short_value

STYLES = {
    "failed": "red", "preempted": "yellow", "unfinished": "cyan", "missing": "dim", "pruned": "yellow", "finished": "green",
}  # fmt: skip
"""The style of each status, the worst first."""


def figure(value: float, deviation: float = math.nan) -> str:
    """Return a figure for people, with its deviation where there is one."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.3f} ± {deviation:.3f}" if math.isfinite(deviation) else f"{value:.3f}"


def columns(sweep: Sweep, ranking: Ranking) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows: one row a setting."""
    keys = [key for key in sweep.keys if not (ranking.seeds and key == "seed")]
    names = short_names(keys)
    heads = ["front" if ranking.by == "pareto" else "rank", "jobs" if ranking.seeds else "job"]
    heads += [names[key] for key in keys] + [_head(metric, ranking) for metric in ranking.metrics] + ["step", "status"]
    return heads, [_row(setting, keys, ranking) for setting in ranking.settings]


def _head(metric: str, ranking: Ranking) -> str:
    return "loss (own weights)" if ranking.by == "pareto" and metric == "val/loss" else metric.removeprefix("val/")


def _row(setting: Setting, keys: list[str], ranking: Ranking) -> list[str]:
    figures = [figure(setting.mean[m], setting.deviation[m]) for m in ranking.metrics]
    if not setting.measured and len(setting.jobs) == 1:  # what there is so far
        figures = [
            f"({figure(setting.jobs[0].best(m))})" if math.isfinite(setting.jobs[0].best(m)) else "-"
            for m in ranking.metrics
        ]
    steps = sorted({job.best_step for job in setting.jobs if job.best_step is not None})
    return [
        str(setting.rank or "-"),
        " ".join(str(job.number) for job in setting.jobs),
        *(short_value(setting.swept.get(key, "")) for key in keys),
        *figures,
        ("-" if not steps else str(steps[0]) if len(steps) == 1 else f"{steps[0]}-{steps[-1]}"),
        status_text(setting.jobs),
    ]


def status_text(jobs: tuple[Job, ...]) -> str:
    """``finished``, or how many are what."""
    statuses = [job.status for job in jobs]
    if len(set(statuses)) == 1:
        return statuses[0]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def show(sweep: Sweep, ranking: Ranking, console: Console | None = None) -> None:
    """Print the table, how it is ranked, and what failed."""
    console = console or Console(highlight=False)
    if not console.is_terminal:  # a log file has room
        console.width = 180
    heads, rows = columns(sweep, ranking)
    table = Table(title=f"sweep {sweep.name}", title_justify="left", title_style="bold")
    for index, head in enumerate(heads):
        number = 2 <= index < len(heads) - 1 or index == 0
        table.add_column(head, justify="right" if number else "left", no_wrap=head not in ("status", "jobs"))
    for setting, row in zip(ranking.settings, rows, strict=True):
        style = next(style for status, style in STYLES.items() if any(job.status == status for job in setting.jobs))
        table.add_row(*row[:-1], f"[{style}]{row[-1]}[/]", style="bold" if setting.rank == 1 else None)
    console.print()
    console.print(table)
    for line in (ranking.reason, *ranking.warnings):
        console.print(line, style="dim", markup=False)
    if any(math.isfinite(j.best("val/content")) for j in sweep.jobs if j.status != "finished"):
        console.print(
            "Figures in parentheses are of jobs that did not finish: the best so far.", style="dim", markup=False
        )
    for job in sweep.jobs:
        if job.error:
            console.print(f"job {job.number} failed: {job.error.splitlines()[0]}", style="red", markup=False)


def write_csv(sweep: Sweep, ranking: Ranking) -> Path:
    """Write ``sweep.csv``, one row per job, and return its path."""
    out = io.StringIO()
    finals = sorted({name for job in sweep.jobs for name in (job.summary.get("final") or {}) if name != "step"})
    facts = (
        "steps", "first_step_seconds", "wall_seconds", "pairs_per_second", "peak_memory_mib", "precision", "device",
        "git_commit",
    )  # fmt: skip
    writer = csv.writer(out)
    writer.writerow(
        ["rank", "front", "job", *sweep.keys, "status", "best/step", *(f"best/{n.removeprefix('val/')}" for n in finals),
         *(f"final/{n.removeprefix('val/')}" for n in finals), *facts, "error", "folder"]
    )  # fmt: skip
    for setting in ranking.settings:
        for job in setting.jobs:
            final = job.summary.get("final") or {}
            best = job.summary.get("best") or {}
            rank = None if ranking.by == "pareto" else setting.rank
            row: list[object] = [rank, setting.layer, job.number, *(job.swept.get(key) for key in sweep.keys)]
            row += [job.status, job.best_step, *(figures.get(name) for figures in (best, final) for name in finals)]
            writer.writerow([*row, *(job.summary.get(fact) for fact in facts), job.error, job.number])
    path = sweep.folder / "sweep.csv"
    write_whole(path, out.getvalue())
    return path
