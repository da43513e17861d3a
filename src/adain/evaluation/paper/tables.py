"""The comparison's tables in Markdown, beside what the paper says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adain.evaluation.paper.published import DUMOULIN, NAMES, SOURCE, STYLES
from adain.evaluation.paper.quality import FIGURES
from adain.evaluation.store import Row

MISSING = "not measured yet"
_ORDER = ("gatys", "style_swap", "texture_network", "adain")
_HEAD = "how come by | content loss, to the content's features | the same, to the AdaIN target | style loss | pairs |"

# --- speed --------------------------------------------------------------------------------------------------------------


def speed_table(rows: Sequence[Row], settings: Mapping[str, Any]) -> list[str]:
    """Return the table of speeds, a block for each size."""
    sizes = sorted({row["size"] for row in rows})
    lines = [
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
        DUMOULIN,
        "",
    ]  # fmt: skip


def split_table(rows: Sequence[Row]) -> list[str]:
    """Return the table of where AdaIN's time goes."""
    if not rows:
        return []
    sizes = sorted({row["size"] for row in rows})
    lines = [
        "Where AdaIN's time goes, one picture with a new style: median seconds, and the share of the whole.", "",
        f"| part | {' | '.join(f'{size} px' for size in sizes)} | paper |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]  # fmt: skip
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = {row["size"]: row for row in rows if row["stage"] == stage}
        cells = [
            f"{_number(own[size]['seconds'])} s, {own[size]['share']:.0%}" if size in own else "" for size in sizes
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} | about a third |")
    return [*lines, ""]


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


def losses_title(rows: Sequence[Row], settings: Mapping[str, Any]) -> str:
    """Return in words what the losses are of."""
    contents, styles = (len({row[key] for row in rows}) for key in ("content", "style"))
    return (
        f"Mean over contents x styles = {contents} x {styles} (paper: 50 x 10), {settings['losses']['size']} px; "
        f"Gatys et al. on the {_MEASURES[settings['losses']['measure']]}, from the content"
    )


_MEASURES = {"statistics": "statistics loss", "gram": "Gram loss"}


def losses_table(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    """Return the table of losses: Gatys' method by its iterations, and the networks."""
    lines = [
        f"{losses_title(rows, settings)}. Mean ± standard deviation over pairs.",
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


# --- ablations ----------------------------------------------------------------------------------------------------------


def ablations_table(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    """Return the table of ablations."""
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
