"""What is made of the rows: means with intervals, tables, and two evaluations compared pair by pair."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adain.evaluation import benchmark
from adain.evaluation.pairs import Pair
from adain.evaluation.store import EvaluationStore, Row
from adain.metrics.paired import bootstrap_means, compare, design, interval
from adain.runtime.errors import InputError
from adain.runtime.files import write_whole
from adain.runtime.schema import HIGHER_IS_BETTER, SET_METRICS

NOT_FIGURES = ("index", "content", "style", "controls")
CONTROLS = {"content": "the unchanged content", "style": "the style picture itself"}
"""What is put in an output's place, so that it shows which metrics style transfer is not needed for."""
_LEVEL = 0.05  # of the test
_SAME = ("size", "crop", "encoder", "protocol")  # without these equal, figures cannot be compared

_UNITS = {
    "pairs": "pairs (no content and no style is shared, or only one is there)",
    "contents": "contents, each with all its pairs",
    "styles": "styles, each with all its pairs",
    "contents and styles": "contents and styles, each drawn by itself (Owen 2007)",
}


def figures(rows: Sequence[Row]) -> list[str]:
    """Return the names of the figures that the rows hold."""
    return [name for name in rows[0] if name not in NOT_FIGURES]


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each figure of pairs."""
    return {name: sum(float(row[name]) for row in rows) / len(rows) for name in figures(rows)}


def control_means(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the same of the controls, by name."""
    return {name: means([row["controls"][name] for row in rows]) for name in CONTROLS}


def won_by_controls(metrics: Mapping[str, Any]) -> list[str]:
    """Return a sentence a control that is better by some metrics than the outputs are."""
    found = []
    for control, said in CONTROLS.items():
        won = [
            name
            for name, entry in metrics.items()
            if (entry["controls"][control] > entry["mean"]) == entry["higher_is_better"]
            and entry["controls"][control] != entry["mean"]
        ]
        if won:
            found.append(
                f"{said} wins {', '.join(won)}: alone, {'these say' if len(won) > 1 else 'this says'} nothing about "
                "style transfer"
            )
    return found


def summarize(rows: Sequence[Row], sets: Mapping[str, float], draws: int, seed: int) -> dict[str, Any]:
    """Return the mean and 95% bootstrap interval of each figure of pairs, and the value alone of the whole set's figures."""
    contents, styles = ([str(row[key]) for row in rows] for key in ("content", "style"))
    names = figures(rows)
    drawn = bootstrap_means([[float(row[name]) for row in rows] for name in names], contents, styles, draws, seed)
    found: dict[str, Any] = {}
    for (name, mean), of_draws in zip(means(rows).items(), drawn, strict=True):
        low, high = interval(of_draws) or (None, None)
        found[name] = {"mean": mean, "low": low, "high": high, "higher_is_better": name in HIGHER_IS_BETTER}
    for name, value in sets.items():
        found[name] = {"mean": value, "low": None, "high": None, "higher_is_better": False}
    return {"metrics": found, "interval": f"95%, bootstrap over {_UNITS[design(contents, styles)]}, {draws} draws"}


def write_results(folder: Path, rows: Sequence[Row], results: Mapping[str, Any]) -> None:
    """Write ``results.json`` and ``pairs.csv``."""
    write_whole(folder / "results.json", json.dumps(results, indent=2) + "\n")
    write_csv(folder / "pairs.csv", [plain(row) for row in rows])


def plain(row: Row) -> Row:
    """Return a row without its controls."""
    return {name: value for name, value in row.items() if name != "controls"}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table whole; a cell stays empty where a row lacks its column."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def report_text(results: Mapping[str, Any]) -> str:
    """Return an evaluation's figures for the terminal, with notes and warnings, and beside published rows if there are.

    Those of the controls stand in the last two columns.
    """
    lines = [f"{'':<22}{'mean':>12}   {'95% interval':<24} better   {'content':>9}{'style':>12}"]
    for name, found in results["metrics"].items():
        ends = "" if found["low"] is None else f"{found['low']:.4g} to {found['high']:.4g}"
        better = "higher" if found["higher_is_better"] else "lower"
        controls = f"{found['controls']['content']:>9.4g}{found['controls']['style']:>12.4g}"
        lines.append(f"{name:<22}{found['mean']:>12.4g}   {ends:<24} {better:<8} {controls}")
    lines += [f"{name:<22}{'left out':>12}   {reason}" for name, reason in results["left_out"].items()]
    lines += [
        f"protocol: {results['protocol']}; precision: {results['precision']}",
        f"interval: {results['interval']}",
        *results["notes"],
    ]
    lines += [f"warning: {warning}" for warning in results["warnings"]]
    if results["published"]:
        lines += ["", benchmark.table(results["published"])]
    return "\n".join(lines)


def compare_evaluations(first: Path, second: Path, draws: int, seed: int) -> dict[str, Any]:
    """Compare the evaluations in two folders, paired by content and style.

    Returns:
        Per metric: both means, their difference (first minus second) with its 95% interval, p, which is better on how
        many pairs. Figures of the set have no interval: they are one number for all pairs.

    Raises:
        InputError: If one is not an evaluation, they were made at other sizes, or they have no pair in common.
    """
    stores = [EvaluationStore(folder) for folder in (first, second)]
    _check_same(str(first), stores[0].settings, str(second), stores[1].settings)
    tables = [{(str(r["content"]), str(r["style"])): r for r in store.rows().values()} for store in stores]
    keys = [key for key in tables[0] if key in tables[1]]
    if not keys:
        raise InputError(f"{first} and {second} have no pair of content and style in common: evaluate the same pairs")
    contents, styles = [key[0] for key in keys], [key[1] for key in keys]
    rows = [[table[key] for key in keys] for table in tables]
    names = [name for name in figures(rows[0]) if name in rows[1][0]]
    columns = [([float(row[name]) for row in rows[0]], [float(row[name]) for row in rows[1]]) for name in names]
    differences = [[x - y for x, y in zip(a, b, strict=True)] for a, b in columns]
    drawn = bootstrap_means(differences, contents, styles, draws, seed)
    metrics: dict[str, Any] = {}
    for name, (a, b), of_draws in zip(names, columns, drawn, strict=True):
        found = compare(a, b, contents, styles, of_draws)
        higher = name in HIGHER_IS_BETTER
        wins = sum((x > y) if higher else (x < y) for x, y in zip(a, b, strict=True))
        metrics[name] = {
            "first": sum(a) / len(a), "second": sum(b) / len(b), **found._asdict(), "higher_is_better": higher,
            "first_better_on": wins,
        }  # fmt: skip
    ends = [_set_figures(folder) for folder in (first, second)]
    if all(len(table) == len(keys) for table in tables):
        for name in [n for n in ends[0] if n in ends[1]]:
            x, y = ends[0][name], ends[1][name]
            metrics[name] = {
                "first": x, "second": y, "difference": x - y, "low": None, "high": None, "p": None,
                "higher_is_better": False, "first_better_on": None,
            }  # fmt: skip
    return {
        "first": str(first),
        "second": str(second),
        "pairs": len(keys),
        "left_unpaired": [len(table) - len(keys) for table in tables],
        "metrics": metrics,
        "interval": f"95%, bootstrap over {_UNITS[design(contents, styles)]}, {draws} draws",
        "test": "sign-flip permutation test of the mean difference of those units; p is not adjusted for the number of metrics",
    }


def check_against(settings: Mapping[str, Any], pairs: Sequence[Pair], folder: Path) -> None:
    """Check, before anything is measured, that what comes of it can be compared with the evaluation in a folder.

    Raises:
        InputError: If it is none, was made at another size, say, or has no pair in common.
    """
    store = EvaluationStore(folder)
    _check_same("what is asked for", settings, str(folder), store.settings)
    names = {(pair.content, pair.style) for pair in pairs}
    if not any((str(row["content"]), str(row["style"])) in names for row in store.rows().values()):
        raise InputError(
            f"{folder} and what is asked for have no pair of content and style in common: evaluate the same pairs"
        )


def _check_same(first: str, one: Mapping[str, Any], second: str, other: Mapping[str, Any]) -> None:
    for key in _SAME:
        values = [found.get(key, "ours" if key == "protocol" else None) for found in (one, other)]  # 0.2.0 had one
        if values[0] != values[1]:
            raise InputError(
                f"{first} is evaluated with {key}={values[0]} and {second} with {key}={values[1]}: "
                "evaluate both with the same"
            )


def write_comparison(folder: Path, found: Mapping[str, Any]) -> None:
    """Write ``comparison.json`` and ``comparison.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "comparison.json", json.dumps(found, indent=2) + "\n")
    write_csv(folder / "comparison.csv", [{"metric": name, **entry} for name, entry in found["metrics"].items()])


def _set_figures(folder: Path) -> dict[str, float]:
    try:
        found = json.loads((folder / "results.json").read_text())["metrics"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: entry["mean"] for name, entry in found.items() if name in SET_METRICS}


def comparison_table(found: Mapping[str, Any]) -> str:
    """Return a comparison as lines for the terminal."""
    lines = [
        f"first   {found['first']}", f"second  {found['second']}", f"{found['pairs']} pairs", "",
        f"{'':<22}{'first':>11}{'second':>11}{'difference':>12}   {'95% interval':<24}{'p':>8}  verdict",
    ]  # fmt: skip
    for name, entry in found["metrics"].items():
        ends = "" if entry["low"] is None else f"{entry['low']:.4g} to {entry['high']:.4g}"
        p = "" if entry["p"] is None else f"{entry['p']:.2g}"
        lines.append(
            f"{name:<22}{entry['first']:>11.4g}{entry['second']:>11.4g}{entry['difference']:>12.4g}   {ends:<24}{p:>8}  "
            f"{verdict(entry, found['pairs'])}"
        )
    if any(found["left_unpaired"]):
        lines.append("{} pairs of the first and {} of the second have no counterpart".format(*found["left_unpaired"]))
    lines += [f"interval: {found['interval']}", f"test: {found['test']}"]
    return "\n".join(lines)


def verdict(entry: Mapping[str, Any], pairs: int) -> str:
    """Say which output is better by one metric, or that it cannot be told: both the interval and the test must agree."""
    if entry["low"] is None:
        return "no interval: one figure for all pairs" if entry["first_better_on"] is None else "too few pairs to tell"
    share = f"(first better on {entry['first_better_on']} of {pairs})"
    if entry["low"] <= 0 <= entry["high"] or entry["p"] > _LEVEL:
        return f"cannot be told apart {share}"
    return f"{'first' if (entry['difference'] > 0) == entry['higher_is_better'] else 'second'} better {share}"
