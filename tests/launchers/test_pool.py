"""A pool of devices that are made up: names that a job is given."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adain.runtime.errors import UserError
from hydra_plugins.adain_launchers import pool
from hydra_plugins.adain_launchers.pool import device_names, run_pool
from tests.helpers.runners import run_here
from tests.helpers.settings import QUICK

FORK = multiprocessing.get_context("fork")


def job(folder: Path, number: int, device: str) -> None:
    """Takes its device, which must be free, and either gives it back or dies with it."""
    taken = folder / f"device {device}"
    if taken.exists() and taken.read_text() != "dead":
        os._exit(3)
    taken.write_text(str(number))
    (folder / f"job {number}").write_text(device)
    if number % 3 == 1:
        taken.write_text("dead")
        os.kill(os.getpid(), signal.SIGKILL)
    taken.unlink()


def starts(folder: Path, count: int, processes: list[BaseProcess]) -> list[Callable[[str], BaseProcess]]:
    def start(number: int, device: str) -> BaseProcess:
        process = FORK.Process(target=job, args=(folder, number, device))
        process.start()
        processes.append(process)
        return process

    return [partial(start, number) for number in range(count)]


class Job:
    """A process as the pool sees it, which ends when the test says so."""

    name = "a job"

    def __init__(self) -> None:
        self.sentinel, self._alive = os.pipe()
        self.exitcode: int | None = None

    def end(self, code: int) -> None:
        self.exitcode = code
        os.close(self._alive)

    def join(self) -> None:
        assert self.exitcode is not None
        os.close(self.sentinel)

    def terminate(self) -> None:
        if self.exitcode is None:
            self.end(-signal.SIGTERM)


@pytest.mark.parametrize("devices", [["0"], ["0", "1", "GPU-abc"]])
@pytest.mark.parametrize("code", [0, 1, -signal.SIGKILL])
def test_no_two_live_jobs_share_a_device_however_they_end(
    code: int, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_one(jobs: list[int]) -> list[Any]:
        ended = wait(jobs, timeout=0)
        assert ended, "the pool would wait for ever"
        return ended

    monkeypatch.setattr(pool, "wait", wait_for_one)
    live: dict[str, Job] = {}
    used: list[str] = []
    random = Random(0)

    def start(device: str) -> Job:
        assert device not in live
        live[device] = job = Job()
        used.append(device)
        if len(live) == len(devices) and len(used) < 12:
            live.pop(random.choice(list(live))).end(code)
        elif len(used) == 12:
            while live:
                live.popitem()[1].end(code)
        return job

    run_pool([start] * 12, devices)  # type: ignore[list-item]
    assert used[: len(devices)] == devices  # as many at a time as there are devices
    assert all(used.count(device) > 1 for device in devices)


@pytest.mark.parametrize("devices", [["0"], ["0", "1", "GPU-abc"]])
def test_the_dead_give_their_devices_back(
    devices: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    processes: list[BaseProcess] = []
    run_pool(starts(tmp_path, 7, processes), devices)
    assert [process.exitcode for process in processes] == [0, -signal.SIGKILL, 0, 0, -signal.SIGKILL, 0, 0]
    used = [(tmp_path / f"job {number}").read_text() for number in range(7)]
    assert set(used) == set(devices)
    assert capsys.readouterr().err.count("was ended by SIGKILL") == 2


def test_jobs_end_with_the_pool(tmp_path: Path) -> None:
    processes: list[BaseProcess] = []

    def endless(device: str) -> BaseProcess:
        process = FORK.Process(target=signal.pause)
        process.start()
        processes.append(process)
        return process

    def stop(device: str) -> BaseProcess:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        run_pool([endless, endless, stop], ["0", "1", "2"])
    assert [process.exitcode for process in processes] == [-signal.SIGTERM] * 2


def test_devices_by_number_by_list_and_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-abc")
    assert device_names("auto") == ["4", "5", "GPU-abc"]
    assert device_names(2) == ["4", "5"]
    assert device_names([7, "MIG-x"]) == ["7", "MIG-x"]


@pytest.mark.parametrize(
    ("devices", "words"),
    [(4, "this machine has 3 GPUs"), (0, "give auto"), ("some", "give auto"), ([], "give each"), ([1, 1], "give each")],
)
def test_devices_that_cannot_be(devices: object, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,GPU-abc")
    with pytest.raises(UserError, match=words):
        device_names(devices)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_sweep_in_the_pool(tmp_path: Path) -> None:
    """Two real jobs at a time, in processes of their own, whose output is in their folders."""
    tiny = [*QUICK, "data.batch_size=1", "data.val_pairs=1", "trainer.max_steps=1", "trainer.val_check_interval=1"]
    pool = ["hydra/launcher=pool", "hydra.launcher.devices=[a,b]"]
    code, out, err = run_here("sweep", tmp_path, *tiny, *pool, "model.style_weight=1,5,7")
    assert code == 0, out + err
    folder = (tmp_path / "logs" / "sweeps" / "latest").resolve()
    assert [json.loads((folder / job / "summary.json").read_text())["status"] for job in "012"] == ["finished"] * 3
    assert "held-out losses" in (folder / "2" / "output.log").read_text()
    assert out.count("on device a") + out.count("on device b") == 3
    assert "held-out losses" not in out
