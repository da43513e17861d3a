"""In which order jobs stand, and when they may not be ordered."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adain.runtime.errors import UserError
from adain.sweeps.folder import find_sweep
from adain.sweeps.ranking import pareto_layers, rank
from adain.sweeps.results import Job, Sweep, read_sweep
from adain.sweeps.table import show, write_csv
from tests.helpers.sweeps import Make

START = (3.0, 9.0)


def shown(folder: Path) -> str:
    sweep, out = read_sweep(folder), io.StringIO()
    show(sweep, rank(sweep), Console(file=out, width=200))
    return out.getvalue()


def test_pareto_layers_against_the_definition() -> None:
    points = [(1.0, 4.0), (2.0, 2.0), (4.0, 1.0), (3.0, 3.0), (2.0, 2.5), (5.0, 5.0), (2.0, 2.0)]
    assert pareto_layers(points) == [1, 1, 1, 3, 2, 4, 1]


def test_lambda_is_not_ranked_by_its_own_loss(make_sweep: Make) -> None:
    """The smallest weight has the smallest val/loss whatever it does: the fronts must not follow that."""
    jobs = [
        ({"model.style_weight": "1", "optimizer.lr": "1"}, "finished", [START, (1.5, 5.0)]),
        ({"model.style_weight": "1", "optimizer.lr": "2"}, "finished", [START, (1.6, 5.5)]),  # beaten by job 0
        ({"model.style_weight": "50", "optimizer.lr": "1"}, "finished", [START, (2.5, 1.0)]),
    ]
    sweep = read_sweep(make_sweep(jobs, ["model.style_weight=1,50", "optimizer.lr=1,2"]))
    ranking = rank(sweep)
    assert ranking.by == "pareto"
    assert [(s.jobs[0].number, s.rank) for s in ranking.settings] == [(0, 1), (2, 1), (1, 2)]
    assert "model.style_weight" in ranking.reason


def test_rates_are_ranked_by_the_monitored_value(make_sweep: Make) -> None:
    jobs = [
        ({"optimizer.lr": str(lr)}, "finished", [START, (2.0, style)]) for lr, style in ((1, 3.0), (2, 1.0), (3, 2.0))
    ]
    ranking = rank(read_sweep(make_sweep(jobs, ["optimizer.lr=1,2,3"])))
    assert ranking.by == "monitored"
    assert [s.jobs[0].number for s in ranking.settings] == [1, 2, 0]
    assert [s.rank for s in ranking.settings] == [1, 2, 3]


def test_more_can_be_better(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, float(i))]) for i in (1, 2)]
    ranking = rank(read_sweep(make_sweep(jobs, ["optimizer.lr=1,2"], metric="val/style", mode="max")))
    assert [s.jobs[0].number for s in ranking.settings] == [1, 0]


def test_losses_in_different_units_are_not_ranked(make_sweep: Make) -> None:
    jobs = [({"model.style_reduction": word}, "finished", [START, (2.0, 1.0)]) for word in ("mean", "sum")]
    ranking = rank(read_sweep(make_sweep(jobs, ["model.style_reduction=mean,sum"])))
    assert ranking.by == "none"
    assert all(s.rank is None for s in ranking.settings)
    assert "model.style_reduction" in ranking.reason


@pytest.mark.parametrize("key", ["model.measure", "model.patch_size", "model.stride"])
def test_another_objective_of_another_system_is_not_ranked(make_sweep: Make, key: str) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, 1.0)]) for i in (1, 2)]
    changed = {number: [f"+{key}={number}"] for number in (0, 1)}
    ranking = rank(read_sweep(make_sweep(jobs, ["optimizer.lr=1,2"], changed=changed)))
    assert ranking.by == "none"
    assert key in ranking.reason


def sweep_of(configs: list[dict[str, object]], steps: tuple[int, ...] = (), **changed: Any) -> Sweep:
    """One finished job for each configuration, in memory."""
    best = {"step": 10, "val/content": 2.0, "val/style": 1.0, "val/loss": 3.0}
    jobs = [
        Job(i, Path(str(i)), {"optimizer.lr": str(i)}, "finished", summary={"steps": 10, "best": best}, config=config)
        for i, config in enumerate(configs)
    ]
    for i, count in enumerate(steps):
        jobs[i] = replace(jobs[i], summary={"steps": count, "best": best})
    given = Sweep(Path("s"), "s", ("optimizer.lr",), "val/loss", "min", tuple(jobs), len(jobs))
    return replace(given, **changed)


def differing(key: str) -> list[dict[str, object]]:
    group, name = key.split(".")
    return [{group: {name: value}} for value in (1, 2)]


@pytest.mark.parametrize(
    "key",
    [
        "model._target_",
        "model.style_reduction",
        "model.encoder",
        "encoder.name",
        "encoder.weights",
        "data.val_size",
        "data.val_pairs",
    ],
)
def test_jobs_are_not_ranked_where_losses_are_measured_otherwise(key: str) -> None:
    ranking = rank(sweep_of(differing(key)))
    assert ranking.by == "none"
    assert key in ranking.reason
    assert [setting.rank for setting in ranking.settings] == [None, None]


@pytest.mark.parametrize("term", ["content", "style", "tv", "identity"])
def test_jobs_of_other_weights_are_not_ranked_by_the_weighted_sum(term: str) -> None:
    configs = differing(f"model.{term}_weight")
    assert rank(sweep_of(configs)).by == "pareto"
    assert rank(sweep_of(configs, metric="val/style")).by == "monitored"  # it has no weight in it


def test_finished_jobs_of_different_lengths_are_told() -> None:
    def told(sweep: Sweep) -> list[str]:
        return [line for line in rank(sweep).warnings if "numbers of steps" in line]

    configs: list[dict[str, object]] = [{"x": 1}] * 3
    (line,) = told(sweep_of(configs, (10, 20, 20)))
    assert "(10 to 20)" in line
    assert told(sweep_of(configs, (20, 20, 20))) == []
    assert told(sweep_of(configs, (10, 20, 20), keys=("trainer.max_steps",))) == []
    cut = sweep_of(configs, (10, 20, 20))
    assert told(replace(cut, jobs=(replace(cut.jobs[0], status="failed"), *cut.jobs[1:]))) == []


def test_seeds_give_mean_and_sample_deviation(make_sweep: Make) -> None:
    styles = {"1": (1.0, 2.0, 4.5), "2": (3.0, 3.0, 3.0)}
    jobs = [
        ({"optimizer.lr": lr, "seed": str(seed)}, "finished", [START, (2.0, styles[lr][seed])])
        for lr in styles for seed in range(3)
    ]  # fmt: skip
    ranking = rank(read_sweep(make_sweep(jobs, ["optimizer.lr=1,2", "seed=0,1,2"])))
    first, second = ranking.settings
    assert first.swept == {"optimizer.lr": "1"}
    assert first.mean["val/style"] == pytest.approx(2.5)
    assert first.deviation["val/style"] == pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 2.0**2) / 2))
    assert second.deviation["val/style"] == 0
    assert not any("differ in more" in line for line in ranking.warnings)


def test_a_setting_that_was_not_swept_is_told(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, 1.0)]) for i in (1, 2)]
    folder = make_sweep(jobs, ["optimizer.lr=1,2"], changed={1: ["data.batch_size=7"]})
    (line,) = [line for line in rank(read_sweep(folder)).warnings if "differ in more" in line]
    assert "data.batch_size" in line


def test_other_held_out_pairs_are_told(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, 1.0)]) for i in (1, 2)]
    folder = make_sweep(jobs, ["optimizer.lr=1,2"], pairs={1: [("other.png", "s.png")] * 6})
    assert any("different held-out pairs" in line for line in rank(read_sweep(folder)).warnings)


def test_jobs_in_two_precisions_are_told_unless_that_was_swept(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, 1.0)]) for i in (1, 2)]
    sweep = read_sweep(make_sweep(jobs, ["optimizer.lr=1,2"]))
    mixed = replace(sweep, jobs=tuple(
        replace(job, summary={**job.summary, "precision": word})
        for job, word in zip(sweep.jobs, ("bf16-mixed", "32-true"), strict=True)
    ))  # fmt: skip
    told = "The jobs were trained in 32-true and bf16-mixed, so small differences mean little."
    assert told in rank(mixed).warnings
    assert told not in rank(replace(mixed, keys=(*mixed.keys, "trainer.precision"))).warnings
    assert told not in rank(sweep).warnings


def test_half_finished_and_failed_jobs_are_shown_unranked(make_sweep: Make) -> None:
    jobs = [
        ({"optimizer.lr": "1"}, "failed", [START, (0.1, 0.1)]),  # its figures are not of a whole run
        ({"optimizer.lr": "2"}, "finished", [START, (2.0, 1.0)]),
        ({"optimizer.lr": "3"}, "unfinished", [START]),
        ({"optimizer.lr": "4"}, "missing", []),
    ]
    folder = make_sweep(jobs, ["optimizer.lr=1,2,3,4"])
    sweep = read_sweep(folder)
    assert [job.status for job in sweep.jobs] == ["failed", "finished", "unfinished", "missing"]
    assert sweep.remaining == 3
    assert rank(sweep).settings[0].jobs[0].number == 1
    text = shown(folder)
    assert "job 0 failed: ValueError: <b>broke</b>" in text
    assert "(0.100)" in text


def test_the_csv_has_a_row_a_job(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, float(i)), (2.0, i + 1.0)]) for i in (1, 2)]
    folder = make_sweep(jobs, ["optimizer.lr=1,2"])
    sweep = read_sweep(folder)
    with Path(write_csv(sweep, rank(sweep))).open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["job"], row["optimizer.lr"], row["rank"]) for row in rows] == [("0", "1", "1"), ("1", "2", "2")]
    assert (rows[0]["best/style"], rows[0]["final/style"], rows[0]["best/step"]) == ("1.0", "2.0", "10")


def test_a_plain_hydra_sweep_is_read_too(make_sweep: Make) -> None:
    jobs = [({"optimizer.lr": str(i)}, "finished", [START, (2.0, 1.0)]) for i in (1, 2)]
    sweep = read_sweep(make_sweep(jobs, ["optimizer.lr=1,2"], plan=False))
    assert [job.swept for job in sweep.jobs] == [{"optimizer.lr": "1"}, {"optimizer.lr": "2"}]


def test_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a sweep's folder"):
        read_sweep(tmp_path)
    (tmp_path / "multirun.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not a sweep's folder"):
        read_sweep(tmp_path)


def test_a_broken_summary_is_an_unfinished_job(make_sweep: Make) -> None:
    folder = make_sweep([({"optimizer.lr": "1"}, "finished", [START, (2.0, 1.0)])], ["optimizer.lr=1,2"])
    (folder / "0" / "summary.json").write_text('{"status": "fin')
    assert read_sweep(folder).jobs[0].status == "unfinished"


def test_a_sweep_of_the_first_version_is_read_in_todays_words(make_sweep: Make) -> None:
    jobs = [({"model.style_weight": str(w)}, "finished", [START, (2.0, 5.0 / w)]) for w in (1, 5)]
    folder = make_sweep(jobs, ["model.style_weight=1,5"])
    for path in (folder / "multirun.yaml", folder / "jobs.json", *folder.glob("*/.hydra/*.yaml")):
        path.write_text(re.sub(r"(?m)\bmodel(?=\.style_weight|:)", "method", path.read_text()))
    sweep = read_sweep(folder)
    assert [job.swept for job in sweep.jobs] == [{"model.style_weight": "1"}, {"model.style_weight": "5"}]
    assert rank(sweep).by == "pareto"
    (folder / "jobs.json").unlink()
    assert read_sweep(folder).keys == ("model.style_weight",)
    assert [job.swept for job in read_sweep(folder).jobs] == [job.swept for job in sweep.jobs]


def test_two_metrics_make_a_front_of_their_own(make_sweep: Make) -> None:
    jobs = [
        ({"optimizer.lr": str(lr)}, "finished", [START, losses])
        for lr, losses in ((1, (2.0, 3.0)), (2, (3.0, 1.0)), (3, (3.0, 3.0)))
    ]
    folder = make_sweep(jobs, ["optimizer.lr=1,2,3"])
    path = folder / "multirun.yaml"
    path.write_text(path.read_text().replace("metric: val/loss", "metric: [val/content, val/style]"))
    sweep = read_sweep(folder)
    assert (sweep.objectives, sweep.metric) == (("val/content", "val/style"), "val/loss")
    ranking = rank(sweep)
    assert [(s.jobs[0].number, s.rank) for s in ranking.settings] == [(0, 1), (1, 1), (2, 2)]
    assert ranking.corner == pytest.approx((3.3, 3.3))
    assert ranking.hypervolume == pytest.approx(1.3 * 0.3 + 0.3 * 2.0)
    assert "Hypervolume of the front: 0.99, up to val/content 3.3" in ranking.reason


def test_a_jobs_folder_is_answered_with_its_sweeps(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "multirun.yaml").touch()
    with pytest.raises(UserError, match=f"holds no multirun.yaml; did you mean {tmp_path}\\?"):
        find_sweep(str(tmp_path / "0"), tmp_path, "resume")
