"""W&B online: what a server gets of our runs and sweeps. The server is ours, on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from adain.training import last_checkpoint as resumable
from tests.helpers.runners import Run, run_here, train
from tests.helpers.settings import QUICK
from tests.helpers.wandb_server import OnlineRun, WandbServer

TINY = [
    *QUICK, "data.batch_size=1", "data.val_pairs=1", "trainer.max_steps=2", "trainer.val_check_interval=1", "logger=wandb",
]  # fmt: skip
HIDDEN = 2  # W&B's number for it, in the options of a metric
Sent = tuple[WandbServer, OnlineRun, Run]


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        yield patch
    wandb.teardown()


@pytest.fixture(scope="module")
def server(environment: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer() as server:
        connect(server, environment)
        yield server


def connect(server: WandbServer, environment: pytest.MonkeyPatch, **changed: str) -> None:
    wandb.teardown()  # it reads the environment once
    for name, value in {**server.environment, **changed}.items():
        environment.setenv(name, value)


def trained(server: WandbServer, cwd: Path, *overrides: str) -> tuple[OnlineRun, Run]:
    before = set(server.runs)
    run = train(cwd, *TINY, *overrides)
    (new,) = set(server.runs) - before
    return server.runs[new], run


def steps(run: OnlineRun, metric: str) -> list[int]:
    return [row["trainer/global_step"] for row in run.history if metric in row]


@pytest.fixture(scope="module")
def sent(server: WandbServer, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    online, run = trained(server, tmp_path_factory.mktemp("online"), "run.group=mine", "run.tags=[a,b]")
    return server, online, run


def test_a_run_arrives_whole(sent: Sent) -> None:
    server, online, run = sent
    assert run.code == 0, run.err
    assert server.unknown == []
    assert online.given("project") == "adain"
    assert online.given("displayName") == f"smoke/{run.folder.name}"  # where it lies below logs/runs
    assert (online.given("groupName"), online.given("tags")) == ("mine", ["a", "b"])
    assert online.config["optimizer"]["lr"] == 5e-5
    assert online.config["encoder"]["name"] == "vgg19_normalized"
    assert online.config["model"]["style_weight"] == 10
    assert "lr" not in online.config  # nothing stands there twice
    assert steps(online, "val/loss") == [0, 0, 1]  # the start, then after steps that Lightning numbers from 0
    assert steps(online, "train/loss") == [0, 1]
    assert online.summary["status"] == "finished"
    assert not any({"epoch", "held-out pairs"} & set(row) for row in online.history)  # they would be the first charts
    metrics = {metric.get("1", "*"): metric for metric in json.loads(online.given("config"))["_wandb"]["value"]["m"]}
    assert metrics["*"]["5"] == 1 + list(metrics).index("trainer/global_step")  # every chart is over the steps
    assert HIDDEN in metrics["trainer/global_step"]["6"]
    assert online.summary["best/loss"] == run.summary["best"]["val/loss"]
    assert sum(name.startswith("media/images/pictures") for name in online.uploaded) == 3
    table = json.loads(online.uploaded["artifact/held-out pairs.table.json"])
    assert table["columns"][-3:] == ["step 0", "step 1", "step 2"]
    assert (online.exits, online.preempting) == ([0], False)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("Otel")] == []


def test_the_terminal_names_the_address_and_nothing_else_of_wandb(sent: Sent) -> None:
    server, online, run = sent
    spoken = [line for line in (run.out + run.err).splitlines() if "wandb" in line.lower() or "w&b" in line.lower()]
    assert spoken == [f"W&B: {server.url}/tester/adain/runs/{online.name}"]


def test_going_on_is_the_same_run_with_its_name(sent: Sent) -> None:
    server, online, run = sent
    before, count, rows = set(server.runs), len(online.history), online.history
    resumed = train(run.folder.parents[3], "ckpt=last", "trainer.max_steps=4")
    assert resumed.code == 0, resumed.err
    assert resumed.folder == run.folder
    assert set(server.runs) == before
    assert online.given("displayName") == f"smoke/{run.folder.name}"
    assert online.history[:count] == rows  # nothing is written over
    assert steps(online, "train/loss") == [0, 1, 2, 3]
    assert online.exits == [0, 0]


def test_a_failed_run_says_so(server: WandbServer, tmp_path: Path) -> None:
    online, run = trained(server, tmp_path, "optimizer.lr=1e30")
    assert run.code == 1
    assert (online.exits, online.preempting) == ([1], False)
    assert online.summary["status"] == "failed"


def test_a_stopped_run_is_preempted(server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = resumable.LastCheckpoint.on_train_batch_end

    def stopped(*given: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        real(*given)

    monkeypatch.setattr(resumable.LastCheckpoint, "on_train_batch_end", stopped)
    online, run = trained(server, tmp_path)
    assert run.code == 143
    assert (online.exits, online.preempting) == ([143], True)
    assert online.summary["status"] == "preempted"


@pytest.mark.slow  # test_sweep looks at the same of offline runs
def test_a_sweep_is_a_group_of_one_run_a_job(server: WandbServer, tmp_path: Path) -> None:
    before = set(server.runs)
    code, _, err = run_here("sweep", tmp_path, *TINY, "model.style_weight=1,5")
    assert code == 0, err
    jobs = [server.runs[name] for name in server.runs if name not in before]
    folder = (tmp_path / "logs" / "sweeps" / "latest").resolve()
    assert [job.given("displayName") for job in jobs] == ["style_weight=1", "style_weight=5"]
    assert [job.given("groupName") for job in jobs] == [f"grid/{folder.name}"] * 2
    assert [job.given("tags") for job in jobs] == [["style_weight=1"], ["style_weight=5"]]
    assert [job.config["model"]["style_weight"] for job in jobs] == [1, 5]
    assert [steps(job, "train/loss") for job in jobs] == [[0, 1]] * 2
    assert [job.exits for job in jobs] == [[0], [0]]


@pytest.mark.slow
def test_an_offline_sweep_is_uploaded_as_one_sweep(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    wandb.teardown()
    environment.setenv("WANDB_MODE", "offline")
    code, out, err = run_here("sweep", tmp_path, *TINY, "model.style_weight=1,5")
    assert code == 0, err
    folder = (tmp_path / "logs" / "sweeps" / "latest").resolve()
    kept = [next(folder.glob(f"{job}/wandb/offline-run-*")).name.rpartition("-")[2] for job in "01"]
    assert "2 jobs were kept offline; as one sweep of W&B: make report" in out
    environment.delenv("WANDB_MODE")
    with WandbServer() as server:
        connect(server, environment)
        for _ in range(2):  # the second finds all of it there
            code, out, err = run_here("report", tmp_path, "sweep=latest", "sync=true")
            assert code == 0, out + err
            assert re.search(r"^W&B sweep +sweep$", out, re.MULTILINE)
        wandb.teardown()
    assert server.unknown == []
    assert sorted(server.runs) == sorted(kept)
    jobs = [server.runs[name] for name in kept]
    assert [job.given("sweep") for job in jobs] == ["sweep", "sweep"]
    assert [job.given("groupName") for job in jobs] == [f"grid/{folder.name}"] * 2
    assert [job.given("project") for job in jobs] == ["adain", "adain"]
    assert [job.config["model"]["style_weight"] for job in jobs] == [1, 5]
    assert [steps(job, "train/loss") for job in jobs] == [[0, 1]] * 2
    assert "model.style_weight" in server.sweep
    assert server.operations.count("UpsertSweep") == 1


@pytest.mark.slow  # 25 s: the client tries again and again
def test_a_server_that_goes_down_costs_no_run(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    with WandbServer() as server:
        server.broken_after = "UpsertBucket"
        connect(server, environment)
        online, run = trained(server, tmp_path, "logger.wandb.finish_timeout=1")
        wandb.teardown()
    assert run.code == 0, run.err
    assert online.exits == []
    (kept,) = run.folder.glob("wandb/run-*")
    assert "the table of held-out pairs is left out" in run.out
    assert re.search(rf"later: \S*wandb sync {re.escape(str(kept.relative_to(tmp_path)))}", run.out)
    assert run.summary["status"] == "finished"


def test_a_key_that_is_not_valid_means_offline(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    with WandbServer() as server:
        connect(server, environment, WANDB_API_KEY="f" * 40)
        run = train(tmp_path, *TINY)
        wandb.teardown()
    assert run.code == 0, run.err
    assert server.runs == {}
    assert "so the run is kept offline" in run.out
    assert len(list(run.folder.glob("wandb/offline-run-*"))) == 1


@pytest.mark.slow
def test_wandbs_own_sweep_and_agent_take_our_sweep_file(tmp_path: Path) -> None:
    """The commands that ``wandb_sweep=`` names, in a folder with its environment in ``.venv`` as set-up makes it."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with WandbServer() as server:
        server.jobs = [{"optimizer.lr": 1e-4}, {"optimizer.lr": 2e-4}]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}

        def call(name: str, *arguments: str) -> str:
            done = subprocess.run(
                [f".venv/bin/{name}", *arguments], cwd=tmp_path, env={**plain, **server.environment},
                capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout + done.stderr

        call("python", "-m", "adain.cli.sweep", *TINY, "optimizer.lr=1e-4,2e-4", "wandb_sweep=sweep.yaml")
        assert "wandb agent tester/adain/sweep" in call("wandb", "sweep", "sweep.yaml")
        call("wandb", "agent", "tester/adain/sweep")
    assert server.unknown == []
    assert [run.given("sweep") for run in server.runs.values()] == ["sweep", "sweep"]
    assert [run.config["optimizer"]["lr"] for run in server.runs.values()] == [1e-4, 2e-4]
    assert [run.exits for run in server.runs.values()] == [[0], [0]]
