"""Which runs of a sweep are uploaded to W&B, and as what. The way there is tested with a server in tests/cli."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import wandb

from adain.runtime.errors import UserError
from adain.sweeps import wandb_sync
from adain.sweeps.results import Sweep, read_sweep
from adain.sweeps.wandb_sync import Upload, sync_sweep
from tests.helpers.sweeps import Make

JOBS = [
    ({"model.style_weight": "1"}, "finished", [(3.0, 9.0), (1.5, 5.0)]),
    ({"model.style_weight": "50"}, "finished", [(3.0, 9.0), (2.4, 0.9)]),
    ({"model.style_weight": "70"}, "missing", []),
]
RUNS = [
    "0/wandb/offline-run-20260102_030405-aa",
    "0/wandb/offline-run-20260103_030405-aa",
    "1/wandb/run-20260102_030406-bb",
]


@pytest.fixture
def sweep(make_sweep: Make) -> Sweep:
    """One job was kept offline and resumed, one was online, one never began."""
    folder = make_sweep(JOBS, ["model.style_weight=1,50,70"], changed={job: ["logger=wandb"] for job in (0, 1)})
    for run in RUNS:
        (folder / run).mkdir(parents=True)
    (folder / "0" / "wandb" / "latest-run").symlink_to(folder / RUNS[1])
    return read_sweep(folder)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What W&B's command and library are called with."""
    calls: list[Any] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command[command.index("sync") + 1 :])
        return subprocess.CompletedProcess(command, 0)

    def create(settings: dict[str, Any], project: str, prior_runs: list[str]) -> str:
        calls.append((settings, project, prior_runs))
        return "abc"

    monkeypatch.setattr(wandb_sync.subprocess, "run", run)
    monkeypatch.setattr(wandb, "sweep", create)
    return calls


def test_offline_runs_are_uploaded_and_all_runs_are_one_sweep(sweep: Sweep, asked: list[Any]) -> None:
    assert sync_sweep(sweep) == "abc"
    uploaded, (settings, project, runs) = asked
    assert uploaded == [str(sweep.folder / run) for run in RUNS[:2]]
    assert (project, runs) == ("adain", ["aa", "bb"])
    assert settings["parameters"] == {"model.style_weight": {"values": [1, 50, 70]}}
    assert settings["metric"] == {"name": "val/loss", "goal": "minimize"}
    assert settings["method"] == "grid"
    assert sync_sweep(sweep) == "abc"  # it is there: not made again
    assert len(asked) == 3
    (sweep.folder / "2" / "wandb" / "offline-run-20260104_030405-cc").mkdir(parents=True)
    sync_sweep(sweep)
    assert asked[-1][2] == ["aa", "bb", "cc"]


def test_what_cannot_be_uploaded_makes_no_sweep(
    sweep: Sweep, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_sync.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(UserError, match="could not upload"):
        sync_sweep(sweep)
    assert asked == []
    assert not (sweep.folder / wandb_sync.FILE).exists()


def test_the_report_says_how_to_upload_what_is_offline(sweep: Sweep, make_sweep: Make, tmp_path: Path) -> None:
    upload = Upload.of(sweep)
    assert upload is not None
    assert (upload.jobs, upload.project) == (1, "adain")
    assert str(sweep.folder) in upload.command
    online = read_sweep(make_sweep(JOBS, ["model.style_weight=1,50,70"], name="online"))
    assert Upload.of(online) is None
    with pytest.raises(UserError, match="no offline runs"):
        sync_sweep(online)
