"""The list of runs and sweeps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.sweeps.overview import list_entries, print_entries
from tests.helpers.runners import run_here
from tests.helpers.sweeps import Make

RUNS = "logs/runs/quickstart"


def write_run(logs: Path, name: str, status: str, age: int, checkpoint: str = "") -> Path:
    folder = logs / "runs" / "quickstart" / name
    (folder / "checkpoints").mkdir(parents=True)
    best = {"step": 40, "val/content": 1.7861, "val/style": 0.472} if checkpoint else {}
    summary = folder / "summary.json"
    summary.write_text(json.dumps({"status": status, "steps": 160, "best": best, "model": "adain"}))
    os.utime(summary, (1e9 - age, 1e9 - age))
    if checkpoint:
        (folder / "checkpoints" / checkpoint).touch()
    return folder


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("logs")


def test_each_run_has_the_command_that_suits_its_end(logs: Path) -> None:
    ends = [("finished", "best.ckpt"), ("preempted", "last.ckpt"), ("failed", ""), ("running", "last.ckpt")]
    for age, (status, checkpoint) in enumerate(ends):
        write_run(logs, f"{status} {age}", status, age, checkpoint)
    (logs / "latest").symlink_to(Path("runs") / "quickstart" / "finished 0")
    found = [(entry.status, entry.steps, entry.command) for entry in list_entries(logs)]
    assert found == [
        ("finished", 160, f"make stylize 'decoder={RUNS}/finished 0/checkpoints/best.ckpt' content=FILE style=FILE"),
        ("preempted", 160, f"make train 'ckpt={RUNS}/preempted 1'"),
        ("failed", 160, ""),
        ("cut short", 160, f"make train 'ckpt={RUNS}/running 3'"),
    ]  # fmt: skip


def test_a_run_that_is_at_work_has_none(logs: Path) -> None:
    folder = write_run(logs, "now", "running", 0, "last.ckpt")
    with lock(folder / ".training.lock"):
        (entry,) = list_entries(logs)
    assert (entry.status, entry.command) == ("running", "")


def test_nothing_is_opened_for_writing(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' runs, or a read-only mount."""
    folder = write_run(logs, "theirs", "running", 0, "last.ckpt")
    (folder / ".training.lock").touch()
    opened, before = [], os.open

    def watched(path: Any, flags: int, *given: Any, **named: Any) -> int:
        opened.append(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return before(path, flags, *given, **named)

    monkeypatch.setattr(os, "open", watched)
    (entry,) = list_entries(logs)
    assert entry.status == "cut short"
    assert not any(opened)


def test_a_sweep_counts_its_jobs_and_goes_on_or_is_used(make_sweep: Make, tmp_path: Path, logs: Path) -> None:
    jobs = [({"optimizer.lr": str(lr)}, "finished", [(3.0, 9.0), (2.0, float(lr))]) for lr in (2, 1)]
    folder = make_sweep(jobs, ["optimizer.lr=2,1"])
    for job in "01":
        (folder / job / "checkpoints").mkdir()
        (folder / job / "checkpoints" / "best.ckpt").touch()
    name = f"grid/{folder.name}"
    (entry,) = list_entries(logs)
    assert (entry.name, entry.status, entry.best["val/style"]) == (f"sweep {name}", "2 of 2 finished", 1.0)
    assert entry.command == f"make stylize decoder=logs/sweeps/{name}/1/checkpoints/best.ckpt content=FILE style=FILE"
    (folder / "0" / "summary.json").write_text('{"status": "preempted"}')
    (entry,) = list_entries(logs)
    assert (entry.status, entry.command) == ("1 of 2 finished", f"make sweep resume=logs/sweeps/{name}")


def test_what_cannot_be_read_is_left_out(logs: Path) -> None:
    (write_run(logs, "broken", "finished", 0) / "summary.json").write_text('{"status": "fin')
    (logs / "sweeps" / "grid" / "t").mkdir(parents=True)
    (logs / "sweeps" / "grid" / "t" / "multirun.yaml").write_text("a: [")
    with pytest.raises(UserError, match="there is no run below logs yet"):
        print_entries(logs, 5)


def test_the_command(logs: Path, tmp_path: Path) -> None:
    for age in range(3):
        write_run(logs, str(age), "finished", age, "best.ckpt")
    code, out, _ = run_here("runs", tmp_path, "last=2")
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 6)
    assert lines[1].split() == ["quickstart/0", "finished", "160", "1.786", "0.472"]
    assert lines[-1] == "and 1 older: last=3 lists all"
    for typed, words in (("last=0", "last=0 is not allowed"), ("lats=2", "unknown key lats")):
        code, _, err = run_here("runs", tmp_path, typed)
        assert (code, err.count("\n")) == (1, 1)
        assert words in err
