"""A sweep as one HTML page that needs no network: table, plots, and the same held-out pairs of every job side by side."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from PIL import Image, UnidentifiedImageError
from plotly.offline import get_plotlyjs

from adain.data.contact_sheet import cut_grid
from adain.runtime.files import write_whole
from adain.sweeps.plots import curves, parallel, trade_off
from adain.sweeps.ranking import Ranking
from adain.sweeps.results import Job, Sweep
from adain.sweeps.space import short_value
from adain.sweeps.table import columns, figure

_SIDE = 176  # pixels of an embedded picture's long side
_MOST_COLUMNS = 40  # jobs shown as pictures
_STYLE = Path(__file__).with_name("page.css").read_text()


def write_page(sweep: Sweep, ranking: Ranking) -> str:
    """Write ``report.html`` into the sweep's folder and return its path."""
    parts = [_head(sweep, ranking), _table(sweep, ranking)]
    parts += _plot("Content against style", _trade_off_text(ranking), trade_off(sweep, ranking))
    parts += _pictures(sweep, ranking)
    parts += _plot(
        "Curves over steps",
        "Lines with dots: held-out losses at every validation, from the start on. Thin lines: training losses. Dashed: not "
        "finished. Click a job in the legend to hide it, twice to see it alone.",
        curves(sweep),
    )  # fmt: skip
    parts += _plot(
        "Swept keys and figures",
        "A line a job, at its best validation. Drag along an axis to select.",
        parallel(sweep, ranking),
    )
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>sweep {escape(sweep.name)}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )
    path = sweep.folder / "report.html"
    write_whole(path, page)
    return str(path)


def _head(sweep: Sweep, ranking: Ranking) -> str:
    counts = ", ".join(
        f"{sweep.count(s)} {s}"
        for s in ("finished", "pruned", "failed", "preempted", "unfinished", "missing")
        if sweep.count(s)
    )
    facts = [f"{len(sweep.jobs)} jobs: {counts}"]
    if sweep.keys:
        facts.append(f"swept: {', '.join(sweep.keys)}")
    commits = sorted({str(job.summary.get("git_commit")) for job in sweep.jobs if job.summary.get("git_commit")})
    if commits:
        facts.append(
            f"commit {', '.join(commit[:12] + ('-dirty' if commit.endswith('-dirty') else '') for commit in commits)}"
        )
    notes = "".join(f'<p class="note">{escape(line)}</p>' for line in (ranking.reason, *ranking.warnings))
    return f'<h1>Sweep {escape(sweep.name)}</h1><p class="soft">{escape("; ".join(facts))}</p>{notes}'


def _table(sweep: Sweep, ranking: Ranking) -> str:
    heads, rows = columns(sweep, ranking)
    body = []
    for setting, row in zip(ranking.settings, rows, strict=True):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[:-1])
        errors = " ".join(f"job {job.number}: {job.error.splitlines()[0]}" for job in setting.jobs if job.error)
        status = f'<td class="{escape(setting.jobs[0].status)}">{escape(row[-1])}'
        status += f'<div class="soft" style="max-width:34em">{escape(errors)}</div>' if errors else ""
        body.append(f"<tr{' class=first' if setting.rank == 1 else ''}>{cells}{status}</td></tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    text = "Held-out figures at each job's best validation, the one of its best.ckpt."
    text += (
        " Figures in brackets: not finished, the best so far."
        if any("(" in cell for row in rows for cell in row[2:-1])
        else ""
    )
    if ranking.seeds:
        text += " Mean ± sample deviation over the finished seeds."
    return (
        f'<section><h2>Jobs</h2><p class="soft">{text}</p><div class="scroll"><table class="figures">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div></section>"
    )


def _trade_off_text(ranking: Ranking) -> str:
    text = "Nearer the lower left is better in both. On the dotted stair no other setting is better in both losses."
    return (
        "These losses are in different units from job to job: distances mean nothing here."
        if ranking.by == "none"
        else text
    )


def _plot(title: str, text: str, plot: go.Figure | None) -> list[str]:
    if plot is None:
        return []
    drawn = plot.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
    return [f'<section><h2>{title}</h2><p class="soft">{text}</p>{drawn}</section>']


def _pictures(sweep: Sweep, ranking: Ranking) -> list[str]:
    """One table for each set of held-out pairs: other pictures, or another number of them, make another."""
    jobs = [job for setting in ranking.settings for job in setting.jobs]
    by_pairs: dict[tuple[tuple[str, str], ...], list[tuple[Job, int, list[list[Image.Image]]]]] = {}
    for job in jobs[:_MOST_COLUMNS]:
        if (cut := samples(job)) is not None:
            by_pairs.setdefault(job.pairs, []).append((job, *cut))
    parts = []
    for pairs, shown in by_pairs.items():
        heads = "<th>content</th><th>style</th>" + "".join(_column(job, step) for job, step, _ in shown)
        rows = []
        for index in range(min(len(cut) for _, _, cut in shown)):
            content, style, _ = shown[0][2][index]
            names = [escape(name) for name in pairs[index]]
            cells = f'<td class="given">{_embedded(content, names[0])}</td><td>{_embedded(style, names[1])}</td>'
            cells += "".join(
                f"<td>{_embedded(cut[index][2], f'job {job.number}: {names[0]} in the style of {names[1]}')}</td>"
                for job, _, cut in shown
            )
            rows.append(f"<tr>{cells}</tr>")
        parts.append(
            f'<div class="scroll pictures"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        )
    if not parts:
        return []
    left = f" Only the first {_MOST_COLUMNS} jobs are shown." if len(jobs) > _MOST_COLUMNS else ""
    text = f"Held-out pairs, a column a job in the table's order, at its best step where that was kept.{left}"
    return [f'<section><h2>The same pairs, job by job</h2><p class="soft">{text}</p>{"<br>".join(parts)}</section>']


def _column(job: Job, step: int) -> str:
    values = "<br>".join(escape(f"{key.rpartition('.')[2]} {short_value(value)}") for key, value in job.swept.items())
    losses = f"{figure(job.best('val/content'))} / {figure(job.best('val/style'))}"
    at = "" if step == job.best_step and job.status == "finished" else f", step {step}"
    state = "" if job.status == "finished" else f' <span class="{job.status}">{job.status}</span>'
    return f'<th><b>job {job.number}{at}{state}</b>{values}<br><span class="soft">{losses}</span></th>'


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


def _embedded(picture: Image.Image, title: str) -> str:
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    side = max(small.width, 120)
    return f'<img src="data:image/jpeg;base64,{data}" width="{side}" alt="{title}" title="{title}" loading="lazy">'
