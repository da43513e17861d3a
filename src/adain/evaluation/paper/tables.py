"""The comparison's tables in Markdown, beside what the paper says. Each is a list of lines, the last one empty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from adain.evaluation.paper.normalization import TITLES
from adain.evaluation.paper.published import DUMOULIN, NAMES, SOURCE, STYLES
from adain.evaluation.paper.quality import FIGURES
from adain.evaluation.store import Row

MISSING = "not measured yet"
_ORDER = ("gatys", "style_swap", "texture_network", "adain")
_LOSSES = ("content loss, to the content's features", "the same, to the AdaIN target", "style loss")
"""Heads of the columns of ``FIGURES``."""
_MEASURES = {"statistics": "statistics loss", "gram": "Gram loss"}
_CONTROLS = {
    "none": "none: the style's colors",
    "coral": "coral: the style is given the content's colors first",
    "luminance": "luminance: only lightness is stylized",
}


def mean_of(rows: Sequence[Row], key: str, **where: Any) -> float:
    """Return the mean of a column over the rows with these values."""
    return float(np.mean([row[key] for row in rows if all(row[name] == value for name, value in where.items())]))


def values_of(rows: Sequence[Row], key: str) -> list[Any]:
    """Return a column's different values, sorted."""
    return sorted({row[key] for row in rows})


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    head, *lines = [f"| {' | '.join(map(str, cells))} |" for cells in (heads, *rows)]
    return [head, "|" + "---|" * len(heads), *lines, ""]


def _means(rows: Sequence[Row], keys: Sequence[str] = FIGURES, **where: Any) -> list[str]:
    return [f"{mean_of(rows, key, **where):.3g}" for key in keys]


# --- speed --------------------------------------------------------------------------------------------------------------


def speed_table(rows: Sequence[Row], settings: Mapping[str, Any]) -> list[str]:
    """Return the table of speeds, a block for each size."""
    lines = [
        "Seconds for one picture: median [quartiles] with the style encoded before, and in parentheses with its encoding. "
        f"\"x AdaIN\": how many times AdaIN's seconds, round by round. \"{SOURCE}\": mean of 100 pictures, in the same form.",
        "",
    ]  # fmt: skip
    for size in values_of(rows, "size"):
        here = {row["method"]: row for row in rows if row["size"] == size}
        rounds = next(iter(here.values()))["rounds"]
        heads = (
            f"{size} px, {rounds} rounds in turns", "s (with style)", "x AdaIN (with style)", "peak MiB", f"{SOURCE}: s",
            "the same: x AdaIN", "styles",
        )  # fmt: skip
        lines += _markdown(heads, (_speed_cells(name, here[name]) for name in _ORDER if name in here))
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


def _speed_cells(name: str, row: Row) -> list[str]:
    called = NAMES[name]
    if row["gatys_iterations"]:
        called += (
            f": {row['gatys_done']} of {row['gatys_iterations']} iterations done, the others extrapolated"
            if row["gatys_done"] < row["gatys_iterations"]
            else f": {row['gatys_iterations']} iterations"
        )
    peak = f"{row['peak_mib']:,.0f}" if row["peak_mib"] is not None else "not measured"
    return [
        called, _both(row, "_s"), _both(row, "_times_adain"), peak, _paper(row, "_paper_s"),
        _paper(row, "_paper_times_adain"), STYLES[name],  # type: ignore[index]
    ]  # fmt: skip


def split_table(rows: Sequence[Row]) -> list[str]:
    """Return the table of where AdaIN's time goes."""
    if not rows:
        return []
    sizes = values_of(rows, "size")
    cells = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = {row["size"]: f"{_number(row['seconds'])} s, {row['share']:.0%}" for row in rows if row["stage"] == stage}
        cells.append([stage, *(own.get(size, "") for size in sizes), "about a third"])
    return [
        "Where AdaIN's time goes, one picture with a new style: median seconds, and the share of the whole.", "",
        *_markdown(["part", *(f"{size} px" for size in sizes), "paper"], cells),
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


def _spreads(rows: Sequence[Row]) -> list[str]:
    """Return means and standard deviations over pairs, and how many pairs."""
    found = []
    for name in FIGURES:
        values = [row[name] for row in rows]
        spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
        found.append(f"{np.mean(values):.3g}{spread}")
    return [*found, str(len(rows))]


def losses_title(rows: Sequence[Row], settings: Mapping[str, Any]) -> str:
    """Return in words what the losses are of."""
    contents, styles = (len({row[key] for row in rows}) for key in ("content", "style"))
    return (
        f"Mean over contents x styles = {contents} x {styles} (paper: 50 x 10), {settings['losses']['size']} px; "
        f"Gatys et al. on the {_MEASURES[settings['losses']['measure']]}, from the content"
    )


def losses_table(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    """Return the table of losses: Gatys' method by its iterations, and the networks."""
    groups: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["iteration"]), []).append(row)
    order, cells = ("gatys", "texture_network", "adain", "style_swap"), []
    for (name, iteration), own in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1] or 0)):
        called, how = NAMES[name], systems.get(name, "")
        if name == "gatys":
            count = f"{iteration} iteration{'s' if iteration != 1 else ''}"
            called = "the content as it is" if iteration == 0 else f"{called}, {count}"
            how = "" if iteration == 0 else f"L-BFGS on the {_MEASURES[settings['losses']['measure']]}"
        cells.append([called, how, *_spreads(own)])
    words = between(rows)
    return [
        f"{losses_title(rows, settings)}. Mean ± standard deviation over pairs.", "",
        *_markdown(["system", "how come by", *_LOSSES, "pairs"], cells),
        *([words, ""] if words is not None else []),
    ]  # fmt: skip


def between(rows: Sequence[Row]) -> str | None:
    """Return between which iterations of Gatys' method AdaIN's style loss lies; None without both."""
    methods = {row["method"] for row in rows}
    if not {"adain", "gatys"} <= methods:
        return None
    value = mean_of(rows, "style_loss_mean", method="adain")
    steps = values_of([row for row in rows if row["method"] == "gatys"], "iteration")
    means = {step: mean_of(rows, "style_loss_mean", method="gatys", iteration=step) for step in steps}
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


# --- ablations and figure 1 ---------------------------------------------------------------------------------------------


def ablations_table(rows: Sequence[Row], settings: Mapping[str, Any], systems: Mapping[str, str]) -> list[str]:
    """Return the table of ablations."""
    contents, styles = (len({row[key] for row in rows}) for key in ("content", "style"))
    own = {
        name: [row for row in rows if row["method"] == name] for name in dict.fromkeys(row["method"] for row in rows)
    }
    return [
        f"Mean ± standard deviation over contents x styles = {contents} x {styles} at {settings['ablations']['size']} px. The "
        "content loss of all is to the AdaIN target, as in training; the other is to the content's own features.", "",
        *_markdown(
            ["network", "how come by", *_LOSSES, "pairs"],
            ([NAMES[name], systems.get(name, ""), *_spreads(found)] for name, found in own.items()),
        ),
    ]  # fmt: skip


def normalization_table(rows: Sequence[Row]) -> list[str]:
    """Return the table of figure 1: see ``normalization.last_losses``."""
    cells = [
        (TITLES[row["version"]], row["steps"], f"{row['instance']:.3g}", f"{row['batch']:.3g}",
         f"{row['batch_over_instance']:.2f}")
        for row in rows
    ]  # fmt: skip
    return [
        "Style loss of the training batches, mean over the last tenth of the steps, of one network with instance and with "
        "batch normalization. The paper: instance normalization keeps its lead where the training pictures have one contrast, "
        "and loses most of it where they have one style.", "",
        *_markdown(("training pictures", "steps", "instance", "batch", "batch : instance"), cells),
    ]  # fmt: skip


# --- runtime controls ---------------------------------------------------------------------------------------------------


def strength_tables(alpha: Sequence[Row], weights: Sequence[Row], systems: Mapping[str, str]) -> list[str]:
    """Return figure 7's numbers: losses against alpha, and against lambda; and the reconstruction error at alpha 0."""
    lines = _markdown(
        ["alpha, at run time", *_LOSSES],
        ([f"{value:g}", *_means(alpha, alpha=value)] for value in values_of(alpha, "alpha")),
    )
    if any(row["alpha"] == 0 for row in alpha):
        error = mean_of(alpha, "pixel_error", alpha=0)
        lines += [
            "At alpha 0 the decoder reconstructs the content: root mean squared error "
            f"{255 * math.sqrt(error):.1f} of 255 gray levels, PSNR {-10 * math.log10(max(error, 1e-12)):.1f} dB.",
            "",
        ]
    if weights:
        cells = [
            [f"{value:g}", systems.get(f"style_weight_{value:g}", ""), *_means(weights, style_weight=value)]
            for value in values_of(weights, "style_weight")
        ]
        lines += _markdown(["lambda, in training", "how come by", *_LOSSES], cells)
    return lines


def interpolation_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 8's numbers: the style loss to both of two styles, by their weights."""
    losses = ("style_loss", "second_style_loss")
    cells = ([f"{weight:g}", *_means(rows, losses, weight=weight)] for weight in values_of(rows, "weight"))
    return _markdown(("weight of the second style", "style loss to the first", "to the second"), cells)


def color_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 9's numbers: losses and distances of colors, by the control."""
    columns = ("color_to_content", "color_to_style", "style_loss_mean", "content_feature_loss")
    controls = dict.fromkeys(row["control"] for row in rows)
    return [
        "Distance of colors: Hellinger's, of RGB histograms, 0 to 1. The style loss is to the style in its own colors.", "",
        *_markdown(
            ("color control", "colors, to the content's", "to the style's", "style loss", _LOSSES[0]),
            ([_CONTROLS[control], *_means(rows, columns, control=control)] for control in controls),
        ),
    ]  # fmt: skip


def regions_table(rows: Sequence[Row]) -> list[str]:
    """Return figure 10's numbers: each region's style loss to its style, and to the other region's."""
    columns = ("own_loss", "other_loss", "content_own_loss")
    regions = dict.fromkeys(row["region"] for row in rows)
    return [
        "Style loss of a region's own statistics. \"Before\": of the content there.", "",
        *_markdown(
            ("region", "to its style", "to the other region's style", "before, to its style"),
            ([region, *_means(rows, columns, region=region)] for region in regions),
        ),
    ]  # fmt: skip
