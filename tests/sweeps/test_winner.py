"""What a sweep found: its winner or its front, and the commands that use it."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adain.sweeps.plots import colors, symbols
from adain.sweeps.ranking import hypervolume, rank
from adain.sweeps.results import read_sweep
from adain.sweeps.winner import best_jobs, print_best, train_command, use_command, write_best
from adain.training.checkpoints import resolve_checkpoint
from tests.helpers.sweeps import Make

START = (3.0, 9.0)
RATES = [({"optimizer.lr": str(lr)}, "finished", [START, (2.0, style)]) for lr, style in ((1, 3.0), (2, 1.0), (3, 2.0))]
WEIGHTS = [
    ({"model.style_weight": w}, "finished", [START, losses])
    for w, losses in (("1", (1.5, 5.0)), ("5", (1.6, 5.5)), ("50", (2.5, 1.0)))
]


def keep_checkpoints(folder: Path, **facts: Any) -> None:
    """Each job's best checkpoint, and facts of its summary."""
    for summary in folder.glob("*/summary.json"):
        (summary.parent / "checkpoints").mkdir()
        (summary.parent / "checkpoints" / "best.ckpt").touch()
        summary.write_text(json.dumps({**json.loads(summary.read_text()), **facts}))


def found(folder: Path) -> list[int]:
    sweep = read_sweep(folder)
    return [job.number for job in best_jobs(sweep, rank(sweep))]


def test_the_winner_is_the_best_by_the_monitored_value(make_sweep: Make) -> None:
    folder = make_sweep(RATES, ["optimizer.lr=1,2,3"])
    assert found(folder) == []  # nothing to use without a checkpoint
    keep_checkpoints(folder)
    assert found(folder) == [1]


def test_a_front_has_no_winner(make_sweep: Make) -> None:
    folder = make_sweep(WEIGHTS, ["model.style_weight=1,5,50"])
    keep_checkpoints(folder)
    assert found(folder) == [0, 2]
    sweep = read_sweep(folder)
    write_best(sweep, rank(sweep))
    written = json.loads((folder / "winner.json").read_text())
    assert (written["job"], [best["checkpoint"] for best in written["best"]]) == (
        None, ["0/checkpoints/best.ckpt", "2/checkpoints/best.ckpt"],
    )  # fmt: skip
    assert written["ranked_by"] == ["val/content", "val/style"]


def test_jobs_in_different_units_have_neither(make_sweep: Make) -> None:
    jobs = [({"model.style_reduction": word}, "finished", [START, (2.0, 1.0)]) for word in ("mean", "sum")]
    folder = make_sweep(jobs, ["model.style_reduction=mean,sum"])
    keep_checkpoints(folder)
    assert found(folder) == []


@pytest.mark.parametrize(("statuses", "best"), [("fpu", 0), ("uuu", 1), ("fff", 1)])
def test_an_interrupted_sweep_says_what_is_best_so_far(
    make_sweep: Make, statuses: str, best: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Finished jobs first; as long as there is none, the others."""
    words = {"f": "finished", "p": "preempted", "u": "unfinished"}
    jobs = [(swept, words[letter], losses) for (swept, _, losses), letter in zip(RATES, statuses, strict=True)]
    folder = make_sweep(jobs, ["optimizer.lr=1,2,3"])
    keep_checkpoints(folder)
    sweep = read_sweep(folder)
    print_best(sweep, rank(sweep))
    out = capsys.readouterr().out
    assert out.startswith("winner " if statuses == "fff" else "best so far ")
    assert f"/{best}/checkpoints/best.ckpt  (job {best}: lr {best + 1}; content 2.000" in out
    assert out.rstrip().splitlines()[-1].startswith("next          make stylize decoder=")


def test_decoder_auto_takes_the_winner(make_sweep: Make) -> None:
    folder = make_sweep(RATES, ["optimizer.lr=1,2,3"])
    keep_checkpoints(folder, model="adain", ablation=False, draft=None)
    sweep = read_sweep(folder)
    write_best(sweep, rank(sweep))
    chosen = resolve_checkpoint("auto", folder.parents[2])
    assert Path(chosen.source).resolve() == (folder / "1" / "checkpoints" / "best.ckpt").resolve()
    assert "sweep's winner" in chosen.note


def test_commands_survive_the_shell(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(
        RATES, ["optimizer.lr=1,2,3"], changed={0: ["model.widths=[8,16,32]", "run.name='a b'", "+ckpt=x"]}
    )
    keep_checkpoints(folder)
    job = read_sweep(folder).jobs[0]
    assert shlex.split(train_command(job)) == [
        "make", "train", "experiment=smoke", "optimizer.lr=1", "model.widths=[8,16,32]", "monitor.metric=val/loss",
        "monitor.mode=min",
    ]  # fmt: skip
    assert "'model.widths=[8,16,32]'" in train_command(job)
    decoder, *inputs = shlex.split(use_command(job))[2:]
    assert Path(decoder.removeprefix("decoder=")).resolve() == job.checkpoint
    assert inputs == ["content=FILE", "style=FILE"]


def test_another_model_is_named(make_sweep: Make) -> None:
    folder = make_sweep(RATES, ["optimizer.lr=1,2,3"])
    keep_checkpoints(folder, model="texture_network")
    assert re.fullmatch(
        r"make stylize model=texture_network decoder=\S+ content=FILE", use_command(read_sweep(folder).jobs[0])
    )


def test_hypervolume_is_the_area_that_the_front_beats() -> None:
    assert hypervolume([(1.0, 2.0), (2.0, 1.0), (2.0, 2.0)], (3.0, 3.0)) == 2 * 1 + 1 * 1
    assert hypervolume([(1.0, 1.0)], (3.0, 2.0)) == 2
    assert hypervolume([(4.0, 1.0)], (3.0, 3.0)) == 0


@pytest.mark.parametrize("count", [4, 30])
def test_no_two_jobs_share_a_color(make_sweep: Make, count: int) -> None:
    jobs = [({"optimizer.lr": "1", "optimizer.schedule": f"s{i}"}, "missing", []) for i in range(count)]
    sweep = read_sweep(make_sweep(jobs, ["optimizer.lr=1", "optimizer.schedule=a,b"]))
    assert len(set(colors(sweep).values())) == count
    shades, marks = list(colors(sweep)), symbols(sweep)
    assert all(marks[a] != marks[b] for a, b in pairwise(shades))
