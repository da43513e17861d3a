"""The terminal dashboard is opened on the runs that are there."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from adain.cli import watch
from adain.training import dashboard
from tests.helpers.runners import run_here

Opened = list[dict[str, tuple[str, Path]]]
"""Of each start of the dashboard, what it shows: see ``shown``."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """W&B folders of a run and of a sweep's job."""
    monkeypatch.chdir(tmp_path)
    made = [
        tmp_path / "logs" / "runs" / "quickstart" / "t0" / "wandb" / "offline-run-20260102_030405-a",
        tmp_path / "logs" / "sweeps" / "lambda" / "t1" / "0" / "wandb" / "run-20260102_030406-b",
    ]
    for folder in made:
        folder.mkdir(parents=True)
    job = made[1].parents[1] / ".hydra"
    job.mkdir()
    (job / "config.yaml").write_text("run: {name: lr=1/2 style_weight=5}")
    dashboard.run_name.cache_clear()
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """What each dashboard would show; a stand-in, which ends at the second look."""
    found: Opened = []

    class Dashboard(contextlib.nullcontext["Dashboard"]):
        returncode: int | None = None

        def __init__(self, command: list[str]) -> None:
            super().__init__(self)
            assert command[:-1] == [sys.executable, "-m", "wandb", "leet"]
            found.append(shown(Path(command[-1])))
            self.waits = 0

        def poll(self) -> int | None:
            return self.returncode

        def wait(self, seconds: float) -> None:
            self.waits += 1
            if self.waits == 1:
                raise subprocess.TimeoutExpired("leet", seconds)
            self.returncode = 0

    monkeypatch.setattr(watch.subprocess, "Popen", Dashboard)
    return found


def test_every_run_and_job_is_shown(runs: list[Path], opened: Opened, tmp_path: Path) -> None:
    assert run_here("watch", tmp_path)[0] == 0
    assert opened == [
        {
            "run-20260102_030405-quickstart": ("run-quickstart.wandb", runs[0]),
            "run-20260102_030406-0 1 2 5": ("run-0 1 2 5.wandb", runs[1]),
        }
    ]


def shown(folder: Path) -> dict[str, tuple[str, Path]]:
    """Of each folder that the dashboard lists: its record's name, and the run that its record and files are of."""
    found = {}
    for place in folder.iterdir():
        (record,) = place.glob("*.wandb")
        assert (place / "files").readlink() == record.readlink().with_name("files")
        found[place.name] = (record.name, record.readlink().parent)
        assert record.readlink().name == f"run-{record.readlink().parent.name[-1]}.wandb"
    return found


def test_only_a_given_run_is_shown(runs: list[Path], opened: Opened, tmp_path: Path) -> None:
    run_here("watch", tmp_path, f"run={runs[1].parents[1]}")
    assert [run for _, run in opened[0].values()] == [runs[1]]


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_runs_are_as_they_were_whatever_folder_is_given(
    depth: int, runs: list[Path], opened: Opened, tmp_path: Path
) -> None:
    (runs[0] / "run-a.wandb").write_text("the run")
    old = tmp_path / "logs" / "wandb" / "run-20260102_030405-quickstart"  # links that earlier versions left
    old.mkdir(parents=True)
    (old / "files").symlink_to(runs[0] / "files")
    logs = runs[0].parents[depth]  # the run, all runs, what holds logs/
    before = sorted(tmp_path.rglob("*"))
    assert run_here("watch", tmp_path, f"logs={logs}")[0] == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert {run for _, run in opened[0].values()} == {run for run in runs if run.is_relative_to(logs)}


def test_a_run_that_starts_later_appears_and_a_removed_one_goes(runs: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    assert dashboard.gather(tmp_path / "logs", folder) == 2
    later = runs[0].with_name("offline-run-20260102_030405-c")  # of one name in the same second
    later.mkdir()
    runs[1].rmdir()
    assert dashboard.gather(tmp_path / "logs", folder) == 2
    assert {run for _, run in shown(folder).values()} == {runs[0], later}


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    code, _, err = run_here("watch", tmp_path, "rnu=x")
    assert code == 1
    assert err.startswith("error: unknown key rnu: make watch takes run=PATH")


@pytest.mark.parametrize("name", ["watch", "runs", "report"])
def test_help_is_the_usage_of_a_command_without_a_configuration(name: str, tmp_path: Path) -> None:
    code, out, err = run_here(name, tmp_path, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"make {name} [")
    assert not list(tmp_path.iterdir())


def test_no_run_says_what_to_do(tmp_path: Path) -> None:
    code, _, err = run_here("watch", tmp_path)
    assert code == 1
    assert err.startswith("error: logs holds no W&B run: train one with make train")
    assert not (tmp_path / "logs").exists()
