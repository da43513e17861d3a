"""The page of a sweep."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("plotly", reason="plotly comes with the extra `sweep`")

from adain.sweeps.page import write_page
from adain.sweeps.plots import curves, parallel, trade_off
from adain.sweeps.ranking import rank
from adain.sweeps.results import read_sweep
from tests.helpers.sweeps import PAIRS, Make, picture_colors

JOBS = [
    ({"model.style_weight": "1", "optimizer.lr": "1"}, "finished", [(3.0, 9.0), (1.5, 5.0), (1.4, 4.8)]),
    ({"model.style_weight": "50", "optimizer.lr": "1"}, "finished", [(3.0, 9.0), (2.4, 0.9), (2.5, 1.0)]),
    ({"model.style_weight": "1", "optimizer.lr": "9"}, "failed", [(3.0, 9.0)]),
    ({"model.style_weight": "50", "optimizer.lr": "9"}, "missing", []),
]
TASK = ["model.style_weight=1,50", "optimizer.lr=1,9"]


def test_the_page_is_whole_and_asks_for_nothing(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep(JOBS, TASK))
    page = Path(write_page(sweep, rank(sweep))).read_text()
    assert not re.search(r'(?:src|href)="(?!data:)', re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert not re.search(r"<(?:script|link)[^>]+(?:src|href)=", page.partition("<body>")[2])
    assert "&lt;b&gt;broke" in page
    assert "<b>broke" not in page
    assert page.count("plotly-graph-div") == 3
    assert "Not ranked by val/loss" in page


def test_the_same_pair_stands_in_one_row_a_column_a_job_at_its_best_step(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep(JOBS, TASK))
    page = Path(write_page(sweep, rank(sweep))).read_text()
    rows = re.findall(r"<tr>(<td class=\"given\">.*?)</tr>", page, re.S)
    assert len(rows) == len(PAIRS)
    for index, row in enumerate(rows):
        colors = [
            Image.open(io.BytesIO(base64.b64decode(data))).getpixel((16, 16))
            for data in re.findall(r"base64,([^\"]+)", row)
        ]
        best = [picture_colors(index, 0, 20)[2], picture_colors(index, 1, 10)[2]]  # job 1 was best at step 10
        wanted = [*picture_colors(index, 0, 0)[:2], *best, picture_colors(index, 2, 0)[2]]
        for found, color in zip(colors, wanted, strict=True):
            assert max(abs(a - b) for a, b in zip(found, color, strict=True)) < 9  # type: ignore[arg-type]


def test_the_points_are_the_best_losses_and_the_stair_is_the_front(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep(JOBS, TASK))
    figure = trade_off(sweep, rank(sweep))
    assert figure is not None
    front = next(trace for trace in figure.data if trace.name == "Pareto front")
    assert list(zip(front.x, front.y, strict=True)) == [(1.4, 4.8), (2.4, 0.9)]


def test_the_area_that_the_front_beats_is_shaded_up_to_the_corner(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep(JOBS, TASK))
    ranking = rank(sweep)
    figure = trade_off(sweep, ranking)
    assert figure is not None
    assert ranking.hypervolume is not None
    shaded = next(trace for trace in figure.data if trace.fill == "toself")
    assert f"{ranking.hypervolume:.4g}" in shaded.name
    xs, ys = (np.repeat(side, 2) for side in (shaded.x, shaded.y))
    xs, ys = xs[1:], ys[:-1]  # first across, then up or down
    area = 0.5 * abs(float((xs * np.roll(ys, -1) - ys * np.roll(xs, -1)).sum()))
    assert area == pytest.approx(ranking.hypervolume)


def test_labels_of_an_axis_do_not_meet(make_sweep: Make) -> None:
    rates = ["1", "30", "30.1", "31", "60"]
    jobs = [({"optimizer.lr": rate}, "finished", [(3.0, 9.0), (1.5, 5.0)]) for rate in rates]
    sweep = read_sweep(make_sweep(jobs, [f"optimizer.lr={','.join(rates)}"]))
    figure = parallel(sweep, rank(sweep))
    assert figure is not None
    assert list(figure.data[0].dimensions[0].ticktext) == ["1", "30", "60"]


def test_curves_hold_every_validation_and_the_training_losses(make_sweep: Make) -> None:
    folder = make_sweep(JOBS, TASK)
    (folder / "0" / "csv" / "version_0").mkdir(parents=True)
    (folder / "0" / "csv" / "version_0" / "metrics.csv").write_text(
        "step,train/content,train/style\n0,5.0,7.0\n1,,\n2,4.0,6.0\n"
    )
    figure = curves(read_sweep(folder))
    assert figure is not None
    held_out = next(t for t in figure.data if t.name == "job 0, style_weight 1, lr 1")
    assert (list(held_out.x), list(held_out.y)) == ([0, 10, 20], [3.0, 1.5, 1.4])
    assert any(list(t.x) == [1.0, 3.0] and list(t.y) == [5.0, 4.0] for t in figure.data)


def test_parallel_axes_are_the_swept_keys_and_the_figures(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep(JOBS, TASK))
    figure = parallel(sweep, rank(sweep))
    assert figure is not None
    assert [d.label for d in figure.data[0].dimensions] == ["style_weight", "lr", "content", "style", "loss"]
    assert list(figure.data[0].dimensions[0]["values"]) == pytest.approx([0, 1.69897], abs=1e-4)
    assert list(figure.data[0].line.color) == [4.8, 0.9]  # by style loss: val/loss has other weights in each job


def test_nothing_to_plot_is_no_fault(make_sweep: Make) -> None:
    sweep = read_sweep(make_sweep([({"optimizer.lr": "1"}, "missing", [])], ["optimizer.lr=1,2"]))
    ranking = rank(sweep)
    assert trade_off(sweep, ranking) is curves(sweep) is parallel(sweep, ranking) is None
    assert "1 missing" in Path(write_page(sweep, ranking)).read_text()


def test_the_table_sorts_and_names_commands_checkpoint_and_wandb(make_sweep: Make) -> None:
    folder = make_sweep(JOBS, TASK)
    (folder / "1" / "checkpoints").mkdir()
    (folder / "1" / "checkpoints" / "best.ckpt").touch()
    path = folder / "1" / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "wandb": "https://wandb.ai/me/adain/runs/abc"}))
    (folder / "0" / "wandb" / "offline-run-1-a").mkdir(parents=True)
    sweep = read_sweep(folder)
    page = Path(write_page(sweep, rank(sweep))).read_text()
    assert re.search(r"<code>\S*wandb sync \S+/0/wandb/offline-run-1-a</code>", page)
    assert page.count('<table class="figures sortable">') == page.count("aria-sort') !== 'ascending'") == 1
    assert "<th><button>style_weight</button></th>" in page
    assert page.count("make train experiment=smoke model.style_weight=50") == 1
    assert 'href="1/checkpoints/best.ckpt"' in page
    assert re.search(r"<code>make stylize decoder=\S+/1/checkpoints/best.ckpt content=FILE style=FILE</code>", page)
    assert page.count('href="https://wandb.ai/me/adain/runs/abc"') == 1


def test_seeds_lie_within_the_axes_and_are_named(make_sweep: Make) -> None:
    jobs = [({"seed": str(seed)}, "finished", [(3.0, 9.0), (1.0 + seed, 5.0 - seed)]) for seed in (1, 2, 3)]
    sweep = read_sweep(make_sweep(jobs, ["seed=1,2,3"]))
    figure = trade_off(sweep, rank(sweep))
    assert figure is not None
    low, high = figure.layout.xaxis.range
    assert low < 2 < 4 < high
    assert [trace.text for trace in figure.data if trace.text] == [("jobs 0, 1, 2",)]
