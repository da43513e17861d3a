from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adain.evaluation.speed.report import projections, save, show


def _row(**changed: Any) -> dict[str, Any]:
    row = {
        "work": "stages", "size": 256, "batch": 4, "contestant": "ours", "stage": "whole step", "median_s": 2.0,
        "q1_s": 1.9, "q3_s": 2.2, "rounds": 5, "per_second": 2.0, "peak_mib": 1234.0, "floor_s": 1.0, "share": 0.5,
        "against_port": 1.5, "against_port_q1": 1.4, "against_port_q3": 1.6,
    }  # fmt: skip
    return {**row, **changed}


def test_the_recipe_is_projected_from_its_own_size_only() -> None:
    """160,000 steps of 8 pairs at 2 pairs a second: 640,000 s, 177.8 hours."""
    (line,) = projections([_row(), _row(size=128), _row(stage="decode")])
    assert "177.8 hours" in line
    assert "from 5 steps of batch 4" in line
    assert "projected" in line
    (fast,) = projections([_row(per_second=2133.0)])
    assert "10.0 minutes" in fast


def test_what_is_measured_is_printed_and_saved(tmp_path: Path) -> None:
    rows = [_row(), _row(contestant="reference port", peak_mib=None, against_port=None), _row(work="load", waited=0.05)]
    results: dict[str, Any] = {"machine": {}, "rates": {}, "notes": ["no GPU here"], "rows": rows}
    assert {"bench.json", "bench.csv"} <= set(save(tmp_path, results))
    assert json.loads((tmp_path / "bench.json").read_text())["rows"] == rows
    with (tmp_path / "bench.csv").open(newline="") as file:
        saved = list(csv.DictReader(file))
    assert saved[0]["median_s"] == "2.0"
    assert saved[2]["waited"] == "0.05"
    console = Console(record=True, width=110)
    show(results, console)
    text = console.export_text()
    for word in ("1.50 [1.40-1.60]", "1,234", "50%", "5.0%", "no GPU here", "reference port"):
        assert word in text


def test_the_plot_is_one_page(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    save(tmp_path, {"rows": [_row(), _row(stage="decode")], "notes": []})
    page = (tmp_path / "bench.html").read_text()
    assert "whole step" in page
    assert 'src="http' not in page
