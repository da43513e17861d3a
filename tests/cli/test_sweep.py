"""Sweeps as a user starts them, breaks them and continues with them. Training is real, on made-up pictures."""

from __future__ import annotations

import csv
import json
import mmap
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml

from adain.cli.preflight.jobs import plan_jobs, preflight_jobs
from adain.runtime.errors import UserError
from adain.sweeps.folder import check_same_settings
from adain.training import precision
from hydra_plugins.adain_sweepers import grid
from tests.helpers import stopping
from tests.helpers.forked import Forked
from tests.helpers.runners import run_here
from tests.helpers.settings import QUICK, configs

TINY = [
    *QUICK, "data.batch_size=1", "data.val_pairs=1", "trainer.max_steps=2", "trainer.val_check_interval=1", "logger=csv",
]  # fmt: skip


@dataclass
class Done:
    code: int
    out: str
    err: str


def call(cwd: Path, name: str, *arguments: str) -> Done:
    """``make sweep`` or ``make report`` without a process of its own."""
    return Done(*run_here(name, cwd, *arguments))


def latest(cwd: Path) -> Path:
    return (cwd / "logs" / "sweeps" / "latest").resolve()


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


def runs(folder: Path) -> list[Path]:
    """The W&B runs below a job's folder."""
    return sorted(folder.glob("wandb/*run-*/*.wandb"))


class Hog(pl.Callback):
    """Holds half a gigabyte for a moment, in one job only."""

    jobs = 1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if Hog.jobs:
            Hog.jobs -= 1
            with mmap.mmap(-1, 2**29) as block:
                block.write(bytes(2**29))


HOG = f"+callbacks.hog._target_={__name__}.Hog"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """2 x 2 jobs, of which those with a monstrous rate fail."""
    cwd = tmp_path_factory.mktemp("sweep")
    overrides = [*TINY[:-1], "logger=wandb", "model.style_weight=1,5", "optimizer.lr=1e-4,1e30", HOG]
    return cwd, call(cwd, "sweep", *overrides)


Swept = tuple[Path, Done]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can count anew")
def test_peak_memory_is_the_jobs_own(swept: Swept) -> None:
    first, *others = (summary(latest(swept[0]) / str(n))["peak_memory_mib"] for n in range(4))
    assert max(others) < first - 256


def test_a_failed_job_leaves_the_others_running_and_the_exit_status_tells(swept: Swept) -> None:
    cwd, done = swept
    assert done.code == 1
    assert [summary(latest(cwd) / str(n))["status"] for n in range(4)] == ["finished", "failed", "finished", "failed"]
    assert done.err.strip().splitlines()[-1].startswith("error: 2 of 4 jobs failed (job 1, 3)")
    assert "Traceback" not in done.err


def test_the_end_of_a_sweep_is_a_table_a_csv_and_a_page(swept: Swept) -> None:
    cwd, done = swept
    assert "Not ranked by val/loss" in done.out
    with (latest(cwd) / "sweep.csv").open() as file:
        rows = {row["job"]: row for row in csv.DictReader(file)}
    assert [rows[str(n)]["status"] for n in range(4)] == ["finished", "failed", "finished", "failed"]
    assert rows["2"]["model.style_weight"] == "5"
    assert "the loss is" in rows["3"]["error"]
    assert (latest(cwd) / "report.html").stat().st_size > 1e6


def test_one_wandb_run_a_job_with_the_swept_keys_in_name_group_tags_and_config(swept: Swept) -> None:
    cwd, _ = swept
    for number, (weight, rate) in enumerate([("1", "0.0001"), ("1", "1e+30"), ("5", "0.0001"), ("5", "1e+30")]):
        (run,) = runs(latest(cwd) / str(number))
        process = Forked(["-m", "wandb", "leet", "inspect", "--summary", "--json", str(run)], run.parent)
        assert process.wait(60) == 0, process.err
        text = process.out.decode()
        for word in (
            f"style_weight={weight} lr={rate}",
            f"grid/{latest(cwd).name}",
            '"failed"' if number % 2 else '"finished"',
        ):
            assert word in text, (number, word)


def test_resuming_runs_only_what_failed_or_was_cut_in_the_same_folders(swept: Swept) -> None:
    """Job 0 stands for one that was cut after its last step, before it had said so: its figures stay.

    The sweep's record is in the words of version 0.1.
    """
    cwd, _ = swept
    folder = latest(cwd)
    for path in (folder / "multirun.yaml", folder / "jobs.json"):
        path.write_text(
            re.sub(r"\bmodel(?=\.\w+[=\"])", "method", path.read_text()).replace("optimizer.lr", "optim.lr")
        )
    assert "method.style_weight" in path.read_text()
    cut = summary(folder / "0")
    (folder / "0" / "summary.json").write_text(json.dumps({**cut, "status": "running"}))
    before = {n: (folder / str(n) / "summary.json").stat().st_mtime_ns for n in range(4)}
    again = call(cwd, "sweep", "resume=latest")
    assert again.code == 1
    assert latest(cwd) == folder
    after = {n: (folder / str(n) / "summary.json").stat().st_mtime_ns for n in range(4)}
    assert [n for n in range(4) if after[n] != before[n]] == [0, 1, 3]
    assert "3 of 4 jobs to run" in again.out
    identities = {path.name.rpartition("-")[2] for n in (1, 3) for path in (folder / str(n)).glob("wandb/*run-*")}
    assert len(identities) == 2  # the same two W&B runs
    ended = summary(folder / "0")
    assert (ended["status"], ended["history"], ended["best"]) == ("finished", cut["history"], cut["best"])


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("model.style_weight=1,7", "sweeps other values"),
        (
            "model.style_weight=7",
            "was started with model.style_weight=1,5, so it cannot continue with model.style_weight=7",
        ),
        ("trainer.max_steps=9", "was started with trainer.max_steps=2, so it cannot continue with trainer.max_steps=9"),
        ("data.flip=0", "was started with data.flip=0.5, so it cannot continue with data.flip=0"),
        ("optimizer=muon", "was started with optimizer=adam, so it cannot continue with optimizer=muon"),
    ],
)
def test_other_values_and_settings_are_no_resumption(swept: Swept, typed: str, words: str) -> None:
    done = call(swept[0], "sweep", "resume=latest", typed)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_where_a_sweep_goes_on_is_free(swept: Swept) -> None:
    folder = latest(swept[0])
    typed = [
        *TINY[:-1],
        "model.style_weight=1,5",
        "data.num_workers=1",
        "run.name=again",
        "trainer.precision=bf16-mixed",
    ]
    plan = plan_jobs("train", [*typed, f"hydra.sweep.dir={folder}", "logger=none", "~callbacks.grid"])
    check_same_settings(folder, plan.config, {axis.key for axis in plan.axes})


def test_a_job_cut_short_goes_on_from_its_last_checkpoint_in_the_sweeps_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM in the second job: the sweep ends with 143, and goes on in the same folders with nothing done twice.

    The machine that goes on would choose another precision.
    """
    stopping.stop_at(monkeypatch, "batch", 1, job=1)
    monkeypatch.setattr(precision, "fastest_precision", lambda device: "bf16-mixed")
    cut = call(tmp_path, "sweep", *TINY, stopping.TARGET, "trainer.precision=auto", "optimizer.lr=1e-4,2e-4,3e-4")
    assert cut.code == 143
    assert "make sweep resume=latest" in cut.out
    folder = latest(tmp_path)
    assert [summary(folder / n)["status"] for n in ("0", "1")] == ["finished", "preempted"]
    assert summary(folder / "1")["steps"] == 1
    assert not (folder / "2").exists()
    stopping.go_on(monkeypatch)
    monkeypatch.setattr(precision, "fastest_precision", lambda device: "32-true")
    resumed = call(tmp_path, "sweep", f"resume={folder}")
    assert resumed.code == 0, resumed.err
    assert [summary(folder / n)["status"] for n in "012"] == ["finished"] * 3
    assert [summary(folder / n)["precision"] for n in "012"] == ["bf16-mixed"] * 3
    assert [row["step"] for row in summary(folder / "1")["history"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["model.style_wieght=1,5"], "unknown key model.style_wieght (did you mean model.style_weight"),
        (["model.style_weight=1,2,3,4,5,6,seven,8"], "model.style_weight=seven is of the wrong type"),
        (["model.style_weight=1,-5"], "model.style_weight=-5 is too small"),
        (["optimizer.schedule=linear,sideways"], "optimizer.schedule=sideways is not allowed"),
        (["optimizer=adam,sgd"], "optimizer=sgd does not exist"),
        (["model.style_weight=choice()"], "choice()"),
        (["model.style_weight=1,"], "model.style_weight=1,"),
        (["model.style_weight=[]"], "nothing is swept"),
        (["experiment=smoke"], "nothing is swept"),
        (["sweep=nothing"], "sweep=nothing does not exist"),
        (["optimizer.lr=interval(1e-5,1e-3)"], "sweep=optuna"),
        (["resume=latest"], "there is no sweep below"),
        (["ckpt=last", "seed=1,2"], "a sweep continues with resume="),
        (["sweep=optuna", "optimizer.lr=interval(0,1)"], "optimizer.lr=0.0 is too small"),
        (["sweep=optuna", "hydra.sweeper.n_trails=3"], "hydra.sweeper.n_trails"),
        (["sweep=optuna", "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0 is not allowed"),
        (["seeds=1", "optimizer.lr=1e-4,1e-3"], "seeds=1 is not allowed"),
        (["seeds=3", "seed=1,2"], "seeds=3 and seed= are both given"),
        (
            ["seed=1,2", "monitor.metric=[val/content]"],
            "monitor.metric=[val/content] is not allowed: give one metric, or two",
        ),
        (
            ["seed=1,2", "monitor.metric=[val/content,val/lpips]"],
            "is not allowed: give one metric, or two different ones of",
        ),
        (
            ["seed=1,2", "monitor.metric=[val/content,val/style]", "monitor.mode=max"],
            "monitor.mode=max works with one metric",
        ),
        (["seed=1,2", "monitor.metric=[val/content,val/style]", "wandb_sweep=x.yaml"], "a sweep of W&B has one metric"),
        (["sweep=optuna", "hydra.sweeper.n_trials=many"], "hydra.sweeper.n_trials=many is not allowed"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_job(tmp_path: Path, typed: list[str], words: str) -> None:
    done = call(tmp_path, "sweep", *typed)
    assert done.code == 1
    assert words in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "logs").exists()


def test_two_processes_do_not_run_one_sweep(swept: Swept) -> None:
    from adain.runtime.files import lock

    with lock(latest(swept[0]) / ".lock"):
        done = call(swept[0], "sweep", "resume=latest")
    assert done.code == 1
    assert "is being run by another process" in done.err


def test_a_report_at_any_time(swept: Swept) -> None:
    done = call(swept[0], "report", "sweep=latest")
    assert done.code == 0
    assert "style_weight" in done.out
    pytest.importorskip("matplotlib")
    drawn = call(swept[0], "report", "run=latest", "out=losses.png")
    assert (drawn.code, drawn.err) == (0, "")
    assert (swept[0] / "losses.png").is_file()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["sweep=latest"], "there is no sweep below"),
        (["sweep=nowhere"], "is not a folder"),
        (["sweep=."], "holds no multirun.yaml"),
        (["sweeps=latest"], "unknown key sweeps"),
        (["run=latest"], "run=latest is not a folder"),
        (["run=."], "holds no summary.json"),
        (["run="], "names no run"),
        (["out=a.png"], "out= is for run="),
    ],
)
def test_a_report_on_no_sweep_is_one_sentence(tmp_path: Path, typed: list[str], words: str) -> None:
    done = call(tmp_path, "report", *typed)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert words in done.err


@pytest.mark.parametrize("path", configs("sweep"), ids=lambda path: path.stem)
def test_every_named_sweep_can_be_composed(path: Path) -> None:
    needed = {"grid": ["seed=1,2"], "strategy": ["trainer=cpu", "trainer.devices=2", "optimizer=adam"]}
    typed = needed.get(path.stem, [])
    assert preflight_jobs("train", [f"sweep={path.stem}", *typed]).axes


def test_a_wandb_sweep_file(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna comes with the extra `sweep`")
    done = call(tmp_path, "sweep", "sweep=optuna", "experiment=smoke", "wandb_sweep=sweep.yaml")
    assert done.code == 0, done.err
    content = yaml.safe_load((tmp_path / "sweep.yaml").read_text())
    assert content["method"] == "bayes"
    assert content["metric"] == {"name": "val/loss", "goal": "minimize"}
    assert content["parameters"]["optimizer.lr"] == {"distribution": "log_uniform_values", "min": 1e-5, "max": 3e-3}
    assert content["command"] == [
        "${env}",
        "${interpreter}",
        "-m",
        "${program}",
        "experiment=smoke",
        "${args_no_hyphens}",
    ]
    assert not (tmp_path / "logs").exists()


def test_a_scheduler_that_takes_no_job_is_one_sentence() -> None:
    class FailedJobError(Exception):
        """As submitit has one."""

    class Launcher:
        def launch(self, batch: object, initial_job_idx: int) -> None:
            raise FailedJobError("sbatch: error: DNS lookup failed\nsbatch: fatal: no configuration source\n")

    with pytest.raises(
        UserError, match=r"SLURM took none of the jobs \(sbatch: fatal: no configuration source\): start"
    ):
        grid.launch(Launcher(), [["seed=1"]])  # type: ignore[arg-type]
