"""A sweep as one HTML page that needs no network: table, plots, and the same held-out pairs of every job side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from PIL import Image, UnidentifiedImageError
from plotly.offline import get_plotlyjs

from adain.data.contact_sheet import cut_grid
from adain.evaluation.page import embedded, render
from adain.runtime.files import write_whole
from adain.sweeps.plots import curves, parallel, trade_off
from adain.sweeps.ranking import Ranking
from adain.sweeps.results import STATUSES, Job, Sweep
from adain.sweeps.table import columns, figure
from adain.sweeps.wandb_sync import Upload
from adain.sweeps.winner import best_jobs, describe, title, train_command, use_command
from adain.training.wandb_run import sync_command

_SIDE = 176  # pixels of an embedded picture's long side
_MOST_COLUMNS = 40  # jobs shown as pictures


def write_page(sweep: Sweep, ranking: Ranking) -> Path:
    """Write ``report.html`` into the sweep's folder and return its path."""
    heads, rows = columns(sweep, ranking)
    plots = [
        ("Content against style", _trade_off_text(ranking), trade_off(sweep, ranking)),
        ("Curves over steps", _CURVES_TEXT, curves(sweep)),
        ("Swept keys and figures", _PARALLEL_TEXT, parallel(sweep, ranking)),
    ]
    jobs = [job for setting in ranking.settings for job in setting.jobs]
    page = render(
        Path(__file__).with_name("page.html.jinja"),
        sweep=sweep, facts=_facts(sweep), notes=(ranking.reason, *ranking.warnings), heads=heads,
        best=best_jobs(sweep, ranking), best_title=title(sweep, ranking), describe=describe, use_command=use_command,
        train_command=train_command, offline=_sync, upload=Upload.of(sweep), plotly=get_plotlyjs(),
        rows=list(zip(ranking.settings, rows, strict=True)), table_text=_table_text(ranking, rows),
        plots=[(title, text, _html(drawn)) for title, text, drawn in plots if drawn is not None],
        pictures=_pictures(jobs[:_MOST_COLUMNS]), pictures_text=_pictures_text(len(jobs)), side=_SIDE,
    )  # fmt: skip
    path = sweep.folder / "report.html"
    write_whole(path, page)
    return path


_CURVES_TEXT = (
    "Lines with dots: held-out losses at every validation, from the start on. Thin lines: training losses. Dashed: not "
    "finished. Click a job in the legend to hide it, twice to see it alone."
)
_PARALLEL_TEXT = "A line a job, at its best validation. Drag along an axis to select."


def _sync(job: Job) -> str:
    """Return the command that uploads a job's W&B run; nothing where it was not kept offline."""
    kept = sorted((job.folder / "wandb").glob("offline-run-*"))
    return sync_command(kept[-1]) if kept else ""


def _trade_off_text(ranking: Ranking) -> str:
    if ranking.by == "none":
        return "These losses are in different units from job to job: distances mean nothing here."
    shaded = "" if ranking.hypervolume is None else " The shaded area is what the front beats: its hypervolume."
    return f"Nearer the lower left is better in both. On the dotted stair no other setting is better in both losses.{shaded}"


def _html(drawn: go.Figure) -> str:
    config = {"displaylogo": False, "responsive": True}
    html: str = drawn.to_html(full_html=False, include_plotlyjs=False, config=config)
    return html


def _facts(sweep: Sweep) -> list[str]:
    counts = ", ".join(f"{sweep.count(status)} {status}" for status in STATUSES if sweep.count(status))
    facts = [f"{len(sweep.jobs)} jobs: {counts}"]
    if sweep.keys:
        facts.append(f"swept: {', '.join(sweep.keys)}")
    commits = sorted({str(job.summary["git_commit"]) for job in sweep.jobs if job.summary.get("git_commit")})
    if commits:
        short = (commit[:12] + ("-dirty" if commit.endswith("-dirty") else "") for commit in commits)
        facts.append(f"commit {', '.join(short)}")
    return facts


def _table_text(ranking: Ranking, rows: list[list[str]]) -> str:
    text = "Held-out figures at each job's best validation, the one of its best.ckpt. A click on a head sorts by it."
    if any("(" in cell for row in rows for cell in row[2:-1]):
        text += " Figures in brackets: not finished, the best so far."
    return text + (" Mean ± sample deviation over the finished seeds." if ranking.seeds else "")


def _pictures_text(count: int) -> str:
    left = f" Only the first {_MOST_COLUMNS} jobs are shown." if count > _MOST_COLUMNS else ""
    return f"Held-out pairs, a column a job in the table's order, at its best step where that was kept.{left}"


def _pictures(jobs: list[Job]) -> list[tuple[list[Any], list[Any]]]:
    """Return heads and rows of one table for each set of held-out pairs: other pictures, or another number, make another."""
    by_pairs: dict[tuple[tuple[str, str], ...], list[tuple[Job, int, list[list[Image.Image]]]]] = {}
    for job in jobs:
        if (cut := samples(job)) is not None:
            by_pairs.setdefault(job.pairs, []).append((job, *cut))
    tables = []
    for pairs, shown in by_pairs.items():
        rows = []
        for index in range(min(len(cut) for _, _, cut in shown)):
            content, style, _ = shown[0][2][index]
            names = pairs[index]
            outputs = [
                (embedded(cut[index][2], _SIDE), f"job {job.number}: {names[0]} in the style of {names[1]}")
                for job, _, cut in shown
            ]
            rows.append(((embedded(content, _SIDE), names[0]), (embedded(style, _SIDE), names[1]), outputs))
        tables.append(([_column(job, step) for job, step, _ in shown], rows))
    return tables


def _column(job: Job, step: int) -> tuple[str, str, list[str], str]:
    """Return what stands above a job's pictures: head, status unless finished, swept values, losses."""
    finished = job.status == "finished"
    head = f"job {job.number}" if step == job.best_step and finished else f"job {job.number}, step {step}"
    losses = f"{figure(job.best('val/content'))} / {figure(job.best('val/style'))}"
    return head, "" if finished else job.status, job.values, losses


def samples(job: Job) -> tuple[int, list[list[Image.Image]]] | None:
    """Return a job's pictures at its best step, else at its newest: the step, and rows of content, style and output."""
    files = {
        int(path.stem.partition("_")[2]): path
        for path in (job.folder / "samples").glob("step_*.png")
        if path.stem[5:].isdigit()
    }
    if not files or not job.pairs:
        return None
    step = job.best_step if job.best_step in files else max(files)
    assert step is not None
    grid = job.config.get("callbacks", {}).get("grid") or {}
    try:
        with Image.open(files[step]) as picture:
            return step, cut_grid(picture.convert("RGB"), min(int(grid.get("pairs", 8)), len(job.pairs)), 3)
    except (OSError, UnidentifiedImageError, ValueError):
        return None
