"""A SLURM cluster of one machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Slurm:
    """A running cluster.

    Attributes:
        environment: In which its commands find it.
    """

    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextlib.contextmanager
def cluster(home: Path) -> Iterator[Slurm]:
    """Debian's slurm-wlm with a munge, a controller and a node of its own: nothing of the machine's own set-up is used."""
    programs = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "scontrol")
    if missing := [p for p in programs if shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin") is None]:
        pytest.skip(f"SLURM is not installed: no {', '.join(missing)} (apt-get install slurm-wlm)")
    if os.geteuid() != 0:
        pytest.skip("slurmd must be started by root")
    home.chmod(0o755)
    host, key, munge = socket.gethostname().split(".")[0], home / "munge.key", home / "munge.socket"
    controller, node = _free_ports(2)
    (home / "state").mkdir()
    (home / "spool").mkdir()
    (home / "slurm.conf").write_text(
        f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
SlurmUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=90
JobRequeue=1
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
        "SLURM_CONF": str(home / "slurm.conf"),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (home / "daemons.log").open("ab") as log:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home))

    try:
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], env=environment, check=True)
        start(
            "munged", "--foreground", "--force", f"--socket={munge}", f"--key-file={key}", f"--seed-file={home}/seed",
            f"--pid-file={home}/munged.pid", f"--log-file={home}/munged.log",
        )  # fmt: skip
        time.sleep(1)
        start("slurmctld", "-D")
        start("slurmd", "-D", "-N", host)
        made, end = Slurm(environment), time.monotonic() + 60
        while "idle" not in (state := made.ask("sinfo", "-h", "-o", "%t")):
            if time.monotonic() > end:
                logs = "\n".join(p.read_text()[-2000:] for p in home.glob("*.log"))
                pytest.skip(f"the SLURM node did not come up ({state.strip()}):\n{logs}")
            time.sleep(0.5)
        yield made
        made.ask("scancel", "--state=RUNNING", "--state=PENDING", "-u", "root")
        end = time.monotonic() + 90
        # without its daemon a job would go on for ever
        while made.ask("squeue", "-h").strip() and time.monotonic() < end:
            time.sleep(0.5)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
