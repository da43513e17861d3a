"""The results as one page of Markdown, CSV tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from adain.evaluation.pairs import Pair
from adain.evaluation.paper.figures import COLORS, draw_losses, draw_pictures
from adain.evaluation.paper.published import NAMES, SOURCE, STYLES
from adain.evaluation.paper.quality import FIGURES, Judge
from adain.evaluation.paper.store import ComparisonStore, Part
from adain.evaluation.results import write_csv
from adain.evaluation.store import Row
from adain.runtime.files import write_whole
from adain.training.curves import Curves, draw_curves

_MISSING = "not measured yet"
_ORDER = ("gatys", "style_swap", "texture_network", "adain")
_HEAD = "how come by | content loss, to the content's features | the same, to the AdaIN target | style loss | pairs |"


class Grid(NamedTuple):
    """A figure of pictures.

    Attributes:
        part: Whose section it stands in.
        prefix: Of the output files.
        names: Systems, a column each.
        pairs: A row each.
        judge: Shows contents and styles as they were used.
    """

    part: Part
    prefix: str
    names: Sequence[str]
    pairs: Sequence[Pair]
    judge: Judge


def write_report(
    store: ComparisonStore,
    settings: Mapping[str, Any],
    systems: Mapping[str, str],
    grids: Sequence[Grid],
    curves: Sequence[Curves],
) -> list[Path]:
    """Writes ``compare.md`` and all tables and figures that there are rows for.

    Args:
        store: The comparison's.
        settings: What it is of.
        systems: How each network was come by, in words.
        grids: The figures of pictures.
        curves: Training losses of the ablations trained here.

    Returns:
        The CSV and PNG files, in the order of the page.
    """
    machine, folder = settings["machine"], store.folder
    where = machine["device"] if machine["device"] != "cpu" else f"{machine['cpu']}, {machine['threads']} threads"
    lines = [
        "# AdaIN beside the other systems", "",
        f"Machine: {where}; torch {machine['torch']}, Python {machine['python']}. All rows of this page are of this machine "
        f"unless they say \"{SOURCE}\". Lower is better in every table.", "",
        *_speed(store.rows("speed"), settings),
    ]  # fmt: skip
    files = _csv(store, "speed")

    rows = store.rows("losses")
    lines += ["## Losses", ""]
    if rows:
        if store.due(folder / "losses.png", rows):
            draw_losses(folder / "losses.png", rows, NAMES, _losses_title(rows, settings))
        lines += ["![Losses](losses.png)", "", *_losses(rows, settings, systems)]
        files += [*_csv(store, "losses"), folder / "losses.png"]
    else:
        lines += [f"{_MISSING}: `make compare parts=losses`", ""]

    titles = {"pictures": "Pictures", "ablations": "Ablations"}
    for grid in grids:
        lines += [f"## {titles[grid.part]}", ""]
        if (drawn := _grid(store, grid, settings)) is not None:
            lines += [f"![{titles[grid.part]}]({drawn.name})", ""]
            files.append(drawn)
        else:
            lines += [f"{_MISSING}: `make compare parts={grid.part}`", ""]
        if grid.part == "pictures":
            lines += [_how(grid.names, systems), ""]
    rows = store.rows("ablations")
    if rows:
        lines += _ablations(rows, settings, systems)
        files += _csv(store, "ablations")
    found = [curve for curve in curves if any(curve.training.values())]
    if found:
        if store.due(folder / "training.png", found):
            draw_curves(folder / "training.png", found, {NAMES[name]: color for name, color in COLORS.items()})
        lines += ["![Training losses](training.png)", ""]
        files.append(folder / "training.png")
    write_whole(folder / "compare.md", "\n".join(lines))
    return files


# --- speed --------------------------------------------------------------------------------------------------------------


def _speed(rows: Sequence[Row], settings: Mapping[str, Any]) -> list[str]:
    sizes = sorted({row["size"] for row in rows})
    lines = ["## Speed", ""]
    if not rows:
        return [*lines, f"{_MISSING}: `make compare parts=speed`", ""]
    lines += [
        "Seconds for one picture: median [quartiles] with the style encoded before, and in parentheses with its encoding. "
        f"\"x AdaIN\": how many times AdaIN's seconds, round by round. \"{SOURCE}\": mean of 100 pictures, in the same form.",
        "",
    ]  # fmt: skip
    for size in sizes:
        here = {row["method"]: row for row in rows if row["size"] == size}
        one = next(iter(here.values()))
        lines += [
            f"| {size} px, {one['rounds']} rounds in turns | s (with style) | x AdaIN (with style) | peak MiB | {SOURCE}: s | "
            "the same: x AdaIN | styles |",
            "|---|---|---|---|---|---|---|",
        ]
        for name in _ORDER:
            if (row := here.get(name)) is None:
                continue
            called = NAMES[name]
            if row["gatys_iterations"]:
                called += (
                    f": {row['gatys_done']} of {row['gatys_iterations']} iterations done, the others extrapolated"
                    if row["gatys_done"] < row["gatys_iterations"]
                    else f": {row['gatys_iterations']} iterations"
                )
            peak = f"{row['peak_mib']:,.0f}" if row["peak_mib"] is not None else "not measured"
            lines.append(
                f"| {called} | {_both(row, '_s')} | {_both(row, '_times_adain')} | {peak} | {_paper(row, '_paper_s')} | "
                f"{_paper(row, '_paper_times_adain')} | {STYLES[name]} |"  # type: ignore[index]
            )
        lines.append("")
    return [
        *lines,
        "Networks of the published architecture with weights as they are made: values do not change the time. Style swap: "
        "patches of 3 x 3 at every position of relu3_1. Texture network: 32 channels, 5 blocks. The paper's table does not say "
        "how many iterations its Gatys row took. Peak memory: above what the process held before, weights included; of Gatys "
        f"over the {settings['speed']['gatys_done']} iterations done (L-BFGS adds two pictures an iteration, up to 20).",
        "",
    ]  # fmt: skip


def _both(row: Row, suffix: str) -> str:
    def cell(column: str) -> str:
        key = f"{column}{suffix}"
        if row[key] is None:
            return "N/A"
        if row[f"{key}_q1"] == row[f"{key}_q3"]:
            return _number(row[key])
        return f"{_number(row[key])} [{_number(row[f'{key}_q1'])}-{_number(row[f'{key}_q3'])}]"

    return f"{cell('without')} ({cell('with')})"


def _paper(row: Row, suffix: str) -> str:
    without, including = row[f"without{suffix}"], row[f"with{suffix}"]
    if without is None:
        return "not in its table"
    return f"{_number(without)} ({_number(including) if including is not None else 'N/A'})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# --- losses -------------------------------------------------------------------------------------------------------------


def _means(rows: Sequence[Row]) -> dict[str, str]:
    """Mean and standard deviation over pairs."""
    found = {}
    for name in FIGURES:
        values = [row[name] for row in rows]
        spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
        found[name] = f"{np.mean(values):.3g}{spread}"
    return found


def _losses_title(rows: Sequence[Row], settings: Mapping[str, Any]) -> str:
    contents, styles = (len({row[key] for row in rows}) for key in ("content", "style"))
    return (
        f"Mean over contents x styles = {contents} x {styles} (paper: 50 x 10), {settings['losses']['size']} px; "
        f"Gatys et al. on the {_MEASURES[settings['losses']['measure']]}, from the content"
    )


_MEASURES = {"statistics": "statistics loss", "gram": "Gram loss"}


def _losses(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    lines = [
        f"{_losses_title(rows, settings)}. Mean ± standard deviation over pairs.",
        "",
        f"| system | {_HEAD}",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["iteration"]), []).append(row)
    order = {name: place for place, name in enumerate(("gatys", "texture_network", "adain", "style_swap"))}
    for (name, iteration), own in sorted(groups.items(), key=lambda item: (order[item[0][0]], item[0][1] or 0)):
        called, how = NAMES[name], systems.get(name, "")
        if name == "gatys":
            count = f"{iteration} iteration{'s' if iteration != 1 else ''}"
            called = "the content as it is" if iteration == 0 else f"{called}, {count}"
            how = "" if iteration == 0 else f"L-BFGS on the {_MEASURES[settings['losses']['measure']]}"
        means = _means(own)
        lines.append(f"| {called} | {how} | {' | '.join(means[key] for key in FIGURES)} | {len(own)} |")
    lines.append("")
    if (words := between(rows)) is not None:
        lines += [words, ""]
    return lines


def between(rows: Sequence[Row]) -> str | None:
    """Which iterations of Gatys' method AdaIN's style loss lies between; None without both."""
    own = [row["style_loss_mean"] for row in rows if row["method"] == "adain"]
    steps = sorted({row["iteration"] for row in rows if row["method"] == "gatys"})
    if not own or not steps:
        return None
    value = float(np.mean(own))
    means = {
        step: float(np.mean([r["style_loss_mean"] for r in rows if r["method"] == "gatys" and r["iteration"] == step]))
        for step in steps
    }
    after = next((step for step in steps if means[step] <= value), None)
    paper = "The paper: between 50 and 100."
    if after is None:
        reached = f"what Gatys et al. reach in {steps[-1]} iterations ({means[steps[-1]]:.3g})"
        return f"AdaIN's style loss ({value:.3g}) is lower than {reached}. {paper}"
    if after == steps[0]:
        return f"AdaIN's style loss ({value:.3g}) is not below that of the content as it is. {paper}"
    before = steps[steps.index(after) - 1]
    return (
        f"AdaIN's style loss ({value:.3g}) is reached by Gatys et al. between {before} and {after} iterations "
        f"({means[before]:.3g} and {means[after]:.3g}). {paper}"
    )


# --- pictures -----------------------------------------------------------------------------------------------------------


def _grid(store: ComparisonStore, grid: Grid, settings: Mapping[str, Any]) -> Path | None:
    names = [name for name in grid.names if any(_file(store, grid, i, name).exists() for i in range(len(grid.pairs)))]
    if not names:
        return None
    path = store.folder / f"{grid.part}.png"
    files = [_file(store, grid, i, name) for i in range(len(grid.pairs)) for name in names]
    if not store.due(path, [(file, file.stat().st_mtime_ns if file.exists() else None) for file in files]):
        return path
    rows: list[list[Image.Image | None]] = []
    for index, pair in enumerate(grid.pairs):
        line: list[Image.Image | None] = [grid.judge.shown(pair.content_path), grid.judge.shown(pair.style_path)]
        for name in names:
            file = _file(store, grid, index, name)
            line.append(_opened(file) if file.exists() else None)
        rows.append(line)
    columns = ["content", "style", *(_columns(name, settings) for name in names)]
    size = settings[grid.part]["size"]
    draw_pictures(path, columns, rows, f"each row one content in one style, {size} x {size} px")
    return path


def _file(store: ComparisonStore, grid: Grid, row: int, name: str) -> Path:
    return store.output(f"{grid.prefix}_{row}_{name}")


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _columns(name: str, settings: Mapping[str, Any]) -> str:
    if name == "gatys":
        return f"Gatys et al.\n{settings['gatys']['iterations']} iterations"
    return {"style_swap": "style swap\n(Chen & Schmidt)", "texture_network": "texture network\n(Ulyanov et al.)"}.get(
        name, NAMES[name]
    )


def _how(names: Sequence[str], systems: Mapping[str, str]) -> str:
    return " ".join(f"{NAMES[name]}: {systems[name]}." for name in names if name in systems)


def _ablations(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    contents, styles = (len({row[key] for row in rows}) for key in ("content", "style"))
    lines = [
        f"Mean ± standard deviation over contents x styles = {contents} x {styles} at {settings['ablations']['size']} px. The "
        "content loss of all is to the AdaIN target, as in training; the other is to the content's own features.", "",
        f"| network | {_HEAD}",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        means = _means(own)
        lines.append(
            f"| {NAMES[name]} | {systems.get(name, '')} | {' | '.join(means[k] for k in FIGURES)} | {len(own)} |"
        )
    return [*lines, ""]


def _csv(store: ComparisonStore, part: Part) -> list[Path]:
    rows = store.rows(part)
    if not rows:
        return []
    path = store.folder / f"{part}.csv"
    write_csv(path, rows)
    return [path]
