"""A sweep's plots: trade-off, curves and parallel coordinates, as plotly figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.colors import qualitative, sample_colorscale
from plotly.subplots import make_subplots

from adain.sweeps.ranking import Ranking, Setting
from adain.sweeps.results import Job, Sweep
from adain.sweeps.space import short_names, short_value
from adain.training.curves import training_curve

_SCALE = "Viridis"
_INK = "#1f2933"
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "cross")
_BESIDE = ("top right", "bottom left", "top left", "bottom right")  # by turns, so that labels of neighbors do not meet


def numbers(texts: Sequence[str]) -> list[float] | None:
    """Return the texts as numbers, if all are."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def positions(values: Sequence[float]) -> list[float]:
    """Logarithms where positive values span a decade or more, else the values."""
    if min(values) > 0 and max(values) / min(values) >= 10:
        return [math.log10(value) for value in values]
    return list(values)


def colors(sweep: Sweep) -> dict[int, str]:
    """One color a job, along the swept values, the first key first: neighbors in color are neighbors in setting."""

    def place(job: Job) -> list[tuple[bool, float, str]]:
        texts = [job.swept.get(key, "") for key in sweep.keys]
        return [(not (found := numbers([text])), found[0] if found else 0.0, text) for text in texts]

    jobs = sorted(sweep.jobs, key=place)
    if len(jobs) <= len(qualitative.D3):
        shades = qualitative.D3
    else:
        shades = sample_colorscale(_SCALE, [0.9 * i / (len(jobs) - 1) for i in range(len(jobs))], colortype="rgb")
    return {job.number: shade for job, shade in zip(jobs, shades, strict=False)}


def symbols(sweep: Sweep) -> dict[int, str]:
    """One marker a job, unlike those of the next colors."""
    return {number: _SYMBOLS[place % len(_SYMBOLS)] for place, number in enumerate(colors(sweep))}


def _styled(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        template="simple_white", height=height, margin={"l": 60, "r": 20, "t": 40, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13, "color": _INK}, hoverlabel={"align": "left"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
    figure.update_xaxes(showgrid=True, gridcolor="#e4e7eb")
    figure.update_yaxes(showgrid=True, gridcolor="#e4e7eb")
    return figure


def trade_off(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    """Return content loss against style loss: a point a setting, the Pareto front as a stair, what it beats shaded."""
    shades, figure, (across, up) = colors(sweep), go.Figure(), ranking.axes
    done = [s for s in ranking.settings if s.measured]
    so_far = [j for j in sweep.jobs if j.status != "finished" and math.isfinite(j.best(across))]
    if not done and not so_far:
        return None
    front = sorted((s.mean[across], s.mean[up]) for s in done if s.layer == 1)
    if front and ranking.corner is not None:
        (right, top), (xs, ys) = ranking.corner, zip(*front, strict=True)
        figure.add_scatter(
            x=[xs[0], *xs, right, right], y=[top, *ys, ys[-1], top], mode="lines",
            name=f"hypervolume {ranking.hypervolume:.4g}", line={"shape": "hv", "width": 0}, fill="toself",
            fillcolor="rgba(51,102,204,0.07)", hoverinfo="skip",
        )  # fmt: skip
    if front:
        figure.add_scatter(
            x=[x for x, _ in front], y=[y for _, y in front], mode="lines", name="Pareto front", hoverinfo="skip",
            line={"shape": "hv", "color": "#9aa5b1", "width": 1.5, "dash": "dot"},
        )  # fmt: skip
    for place, setting in enumerate(done):
        shade = shades[setting.measured[0].number]
        if len(setting.measured) > 1:
            figure.add_scatter(
                x=[j.best(across) for j in setting.measured], y=[j.best(up) for j in setting.measured],
                mode="markers", marker={"color": shade, "size": 6, "opacity": 0.35}, showlegend=False,
                hovertext=[_hover(j, ranking) for j in setting.measured], hoverinfo="text",
            )  # fmt: skip
        figure.add_scatter(
            x=[setting.mean[across]], y=[setting.mean[up]], mode="markers+text",
            text=[_jobs(setting)], textposition=_BESIDE[place % 4],
            textfont={"size": 11}, showlegend=False, cliponaxis=False,
            marker={"color": shade, "size": 12, "line": {"color": _INK if setting.layer == 1 else "white", "width": 1.5}},
            error_x=_error(setting, across, shade), error_y=_error(setting, up, shade),
            hovertext=[_hover_setting(setting, ranking)], hoverinfo="text",
        )  # fmt: skip
    if so_far:
        figure.add_scatter(
            x=[j.best(across) for j in so_far], y=[j.best(up) for j in so_far], mode="markers+text",
            name="not finished: best so far", text=[str(j.number) for j in so_far], textposition="top center",
            hovertext=[_hover(j, ranking) for j in so_far], hoverinfo="text",
            marker={"symbol": "circle-open", "size": 11, "color": [shades[j.number] for j in so_far], "line": {"width": 2}},
        )  # fmt: skip
    points = [(j.best(across), j.best(up)) for j in (*so_far, *(j for s in done for j in s.measured))]
    if front and ranking.corner is not None:
        points.append(ranking.corner)
    xs, ys = zip(*points, strict=True)
    figure.update_xaxes(title=f"{across.removeprefix('val/')} loss (held-out)", **_axis(xs))
    figure.update_yaxes(title=f"{up.removeprefix('val/')} loss (held-out)", **_axis(ys))
    figure.update_layout(legend={"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "orientation": "h"})
    return _styled(figure, 520)


def _axis(values: Sequence[float]) -> dict[str, object]:
    """Return an axis that shows these values, whatever else is drawn."""
    if min(values) > 0 and max(values) / min(values) > 20:
        return {"type": "log", "range": [math.log10(min(values) / 1.2), math.log10(max(values) * 1.2)]}
    pad = 0.12 * (max(values) - min(values)) or 0.05 * abs(max(values)) or 1.0
    return {"range": [min(values) - pad, max(values) + pad]}


def _jobs(setting: Setting) -> str:
    numbers = ", ".join(str(job.number) for job in setting.jobs)
    return f"job {numbers}" if len(setting.jobs) == 1 else f"jobs {numbers}"


def _error(setting: Setting, metric: str, shade: str) -> dict[str, object] | None:
    if not math.isfinite(setting.deviation[metric]):
        return None
    return {"type": "data", "array": [setting.deviation[metric]], "color": shade, "thickness": 1.2, "width": 4}


def _hover(job: Job, ranking: Ranking) -> str:
    lines = [f"<b>job {job.number}</b> ({job.status})", *(f"{k} = {v}" for k, v in job.swept.items())]
    lines += [f"{m} {job.best(m):.4f}" for m in ranking.metrics] + [f"best at step {job.best_step}"]
    return "<br>".join(_plain(line) if i else line for i, line in enumerate(lines))


def _hover_setting(setting: Setting, ranking: Ranking) -> str:
    if len(setting.measured) == 1:
        return _hover(setting.measured[0], ranking)
    lines = [f"{k} = {v}" for k, v in setting.swept.items()]
    lines += [f"{m} {setting.mean[m]:.4f} ± {setting.deviation[m]:.4f}" for m in ranking.metrics]
    return "<br>".join([f"<b>mean of {len(setting.measured)} seeds</b>", *map(_plain, lines)])


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def curves(sweep: Sweep) -> go.Figure | None:
    """Held-out content and style loss over steps; the training losses behind them, where a CSV file was logged.

    The axes are those of the held-out losses: single batches, which scatter widely, would squeeze them.
    """
    shades, marks = colors(sweep), symbols(sweep)
    jobs = [job for job in sweep.jobs if job.summary.get("history")]
    if not jobs:
        return None
    figure = make_subplots(rows=1, cols=2, subplot_titles=("content loss", "style loss"), horizontal_spacing=0.08)
    for job in jobs:
        for column, term in enumerate(("content", "style"), 1):
            rows = [row for row in job.summary["history"] if f"val/{term}" in row]
            train = training_curve(job.folder, f"train/{term}")
            if train:
                figure.add_scatter(
                    x=[step for step, _ in train], y=[value for _, value in train], mode="lines", legendgroup=str(job.number),
                    line={"color": shades[job.number], "width": 1}, opacity=0.25, showlegend=False, hoverinfo="skip",
                    row=1, col=column,
                )  # fmt: skip
            figure.add_scatter(
                x=[row["step"] for row in rows], y=[row[f"val/{term}"] for row in rows], mode="lines+markers",
                name=_plain(job.label), legendgroup=str(job.number), showlegend=column == 1,
                marker={"size": 6, "symbol": marks[job.number]},
                line={"color": shades[job.number], "width": 2, "dash": "solid" if job.status == "finished" else "dash"},
                hovertemplate=f"{_plain(job.label)}<br>step %{{x}}: %{{y:.4f}}<extra></extra>", row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(title="step")
    for column, term in enumerate(("content", "style"), 1):
        values = [row[f"val/{term}"] for job in jobs for row in job.summary["history"] if f"val/{term}" in row]
        if finite := [value for value in values if math.isfinite(value)]:
            figure.update_yaxes(**_axis(finite), row=1, col=column)
    figure.update_layout(legend={"font": {"size": 11}, "y": 1, "yanchor": "top"})
    return _styled(figure, min(max(420, 120 + 18 * len(jobs)), 900))


def parallel(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    """Swept keys and figures as parallel axes, a line a job; drag along an axis to select."""
    jobs = [job for job in sweep.jobs if math.isfinite(job.best("val/content"))]
    if len(jobs) < 2 or not sweep.keys:
        return None
    dimensions = []
    names = short_names(sweep.keys)
    for key in sweep.keys:
        texts = [job.swept.get(key, "") for job in jobs]
        if (found := numbers(texts)) is not None:
            places = positions(found)
            ticks = _apart(dict(zip(places, map(short_value, texts), strict=True)))
        else:
            words = list(dict.fromkeys(texts))
            places = [float(words.index(text)) for text in texts]
            ticks = {float(place): word for place, word in enumerate(words)}
        dimensions.append(
            {"label": names[key], "values": places, "tickvals": list(ticks), "ticktext": list(ticks.values())}
        )
    for metric in ranking.metrics:
        dimensions.append({"label": metric.removeprefix("val/"), "values": [job.best(metric) for job in jobs]})
    by = ranking.axes[1] if ranking.by == "pareto" else sweep.metric
    values = [job.best(by) for job in jobs]
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions, labelangle=0, tickfont={"size": 12}, labelfont={"size": 13},
            line={"color": values, "colorscale": _SCALE, "showscale": True,
                  "colorbar": {"title": {"text": by.removeprefix("val/")}, "thickness": 12}},
        )
    )  # fmt: skip
    figure = _styled(figure, 400)
    return figure.update_layout(margin={"l": 90, "r": 40, "t": 60, "b": 30})


def _apart(ticks: dict[float, str]) -> dict[float, str]:
    """Return the ticks, in order, without those whose labels would meet."""
    least, shown = (max(ticks) - min(ticks)) / 16, dict[float, str]()
    for place in sorted(ticks):
        if not shown or place - max(shown) >= least:
            shown[place] = ticks[place]
    return shown
