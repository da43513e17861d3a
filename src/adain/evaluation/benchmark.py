"""What papers report of published sets of pairs, to stand beside what is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adain.runtime.schema import BenchmarkName


class Published(NamedTuple):
    """A row of a paper's table. Lower is better in every column.

    Attributes:
        system: As the paper calls it.
        artfid, fid, lpips, cfsd: Its figures; None where the paper has none.
        source: Which paper's table.
    """

    system: str
    artfid: float
    fid: float
    lpips: float
    cfsd: float | None
    source: str


_STYLEID = "Chung et al., CVPR 2024 (StyleID)"
_ATTENST = "Huang et al. 2025 (AttenST, arXiv 2503.07307)"
PUBLISHED: dict[BenchmarkName, tuple[Published, ...]] = {
    "styleid800": (
        Published("AdaIN", 30.933, 18.242, 0.608, 0.315, _STYLEID),
        Published("StyTr2", 30.720, 18.890, 0.545, 0.301, _STYLEID),
        Published("AesPA-Net", 31.420, 19.760, 0.514, 0.246, _STYLEID),
        Published("StyleID", 28.801, 18.131, 0.505, 0.228, _STYLEID),
        Published("AttenST", 28.693, 18.559, 0.467, None, _ATTENST),
    )
}
COLUMNS = ("artfid", "fid", "lpips", "cfsd")
TERMS: dict[BenchmarkName, dict[str, Any]] = {"styleid800": {"pairs": 800, "size": 512, "protocol": "styleid"}}
"""What the published figures are of, as settings of an evaluation."""


def published_rows(
    benchmark: BenchmarkName, settings: Mapping[str, Any], pairs: int, metrics: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the table of a benchmark: ours, then what papers report.

    Args:
        benchmark: Its name.
        settings: Of the evaluation: what it is ``of``, ``size``, and ``protocol``.
        pairs: How many pairs it is of.
        metrics: Of ``results.summarize``; what was not measured is None in the table.
    """
    found = {**settings, "pairs": pairs}
    other = [
        f"{name}={found[name]} instead of {value}" for name, value in TERMS[benchmark].items() if found[name] != value
    ]
    share = f", not comparable: {', '.join(other)}" if other else ""
    mine = {name: metrics[name]["mean"] if name in metrics else None for name in COLUMNS}
    ours = {"system": f"{settings['of']} (here)", **mine, "source": f"this evaluation{share}"}
    return [ours, *(row._asdict() for row in PUBLISHED[benchmark])]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return such a table as lines for the terminal."""
    width = max(len(str(row["system"])) for row in rows) + 2
    lines = [f"{'':<{width}}" + "".join(f"{name:>9}" for name in COLUMNS) + "  source"]
    for row in rows:
        absent = "missing" if row is rows[0] else ""
        cells = "".join(f"{absent if row[name] is None else format(row[name], '.3f'):>9}" for name in COLUMNS)
        lines.append(f"{row['system']:<{width}}{cells}  {row['source']}")
    return "\n".join(lines)
