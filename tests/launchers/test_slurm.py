"""A sweep through SLURM's queue, one job of it canceled and gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runners import wait_until
from tests.helpers.settings import QUICK
from tests.helpers.slurm import Slurm, cluster

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra `slurm`")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


def start(cwd: Path, slurm: Slurm, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "adain.cli.train", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=slurm.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def summary(job: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job / "summary.json").read_text())
    return found


def status(job: Path) -> str | None:
    """Return what the job says of itself; None before it has said anything: two jobs may take turns on a busy machine."""
    return summary(job)["status"] if (job / "summary.json").is_file() else None


def test_a_sweep_of_two_jobs_one_canceled_and_resumed(slurm: Slurm, tmp_path: Path) -> None:
    """The second job trains too long, is canceled, leaves a checkpoint of a whole step, and is gone on with."""
    sweep = tmp_path / "sweep"
    sweeping = start(
        tmp_path, slurm, "--multirun", "hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1",
        f"hydra.sweep.dir={sweep}", *QUICK, "trainer.max_steps=4,100000",
    )  # fmt: skip
    try:
        wait_until((sweep / "1" / "checkpoints" / "last.ckpt").is_file, 400, slurm.ask("squeue"))
        array = slurm.ask("squeue", "-h", "-o", "%F").split()[0]
        slurm.ask("scancel", f"{array}_1")
        wait_until(lambda: status(sweep / "1") == "preempted", 100, slurm.ask("squeue"))
        wait_until(lambda: status(sweep / "0") == "finished", 200, slurm.ask("squeue"))
    finally:
        sweeping.kill()  # without a data base of accounts submitit cannot learn that a job was canceled, and waits on
    assert summary(sweep / "0")["steps"] == 4
    cut = summary(sweep / "1")["steps"]
    assert 2 <= cut < 100000

    again = start(tmp_path, slurm, f"ckpt={sweep / '1'}", f"trainer.max_steps={cut + 2}")
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert summary(sweep / "1")["status"] == "finished"
    assert summary(sweep / "1")["steps"] == cut + 2
    assert summary(sweep / "1")["history"][1]["step"] == 2


def test_ranks_started_by_srun_share_one_folder(slurm: Slurm, tmp_path: Path) -> None:
    """A batch script as docs/scaling.md gives it, with two ranks; stopped and queued again, it goes on where it was."""
    script = tmp_path / "job.sh"
    words = " ".join([*QUICK, "strategy=ddp", "trainer.devices=2", "trainer.max_steps=100000"])
    script.write_text(
        "#!/bin/bash\n#SBATCH --ntasks-per-node=2 --requeue\n"
        f"srun {sys.executable} -m adain.cli.train {words} hydra.run.dir=logs/slurm-$SLURM_JOB_ID\n"
    )
    job = slurm.ask("sbatch", "--parsable", "--output=job.log", f"--chdir={tmp_path}", str(script)).strip()
    run = tmp_path / "logs" / f"slurm-{job}"

    def log() -> str:
        path = tmp_path / "job.log"
        return path.read_text() if path.exists() else slurm.ask("squeue")

    wait_until((run / "checkpoints" / "last.ckpt").is_file, 400, log())
    assert summary(run)["world_size"] == 2
    assert [p.name for p in (tmp_path / "logs").iterdir() if p.is_dir() and not p.is_symlink()] == [f"slurm-{job}"]
    slurm.ask("scancel", "--signal=TERM", job)  # as a pre-emption's grace time begins
    wait_until(lambda: status(run) == "preempted", 200, log())
    cut = summary(run)["steps"]
    slurm.ask("scontrol", "requeue", job)
    slurm.ask("scontrol", "release", job)
    end = time.monotonic() + 400
    while not (summary(run)["status"] == "running" and summary(run)["steps"] > cut):
        assert time.monotonic() < end, log() + slurm.ask("scontrol", "show", "job", job)
        time.sleep(0.5)
    assert [row["step"] for row in summary(run)["history"]][:3] == [0, 2, 4]
    slurm.ask("scancel", job)
