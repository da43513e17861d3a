"""Two machines: network namespaces with addresses of their own, joined by a virtual cable, torchrun in each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.hosts import ADDRESSES, two_hosts, vanish
from tests.helpers.settings import QUICK

pytestmark = pytest.mark.slow

DISTRIBUTED = [
    "strategy=ddp", "trainer.devices=1", "trainer.num_nodes=2", "trainer.strategy.timeout.minutes=0.5",
    "hydra.run.dir=logs/two-hosts",
]  # fmt: skip


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    with two_hosts() as names:
        yield names


def torchrun(host: str, rank: int, cwd: Path, *overrides: str) -> subprocess.Popen[str]:
    command = [
        "ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank),
        "--nproc-per-node", "1", "--master-addr", ADDRESSES[0], "--master-port", "29511", "-m", "adain.cli.train",
    ]  # fmt: skip
    cwd.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*command, *QUICK, *DISTRIBUTED, *overrides], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "cable"}, start_new_session=True,
    )  # fmt: skip


def test_a_host_that_vanishes_leaves_a_checkpoint_and_an_exit_code(hosts: list[str], tmp_path: Path) -> None:
    """Both train; then one loses its cable and its processes at once, so that no connection is closed."""
    homes = [tmp_path / "a", tmp_path / "b"]
    processes = [
        torchrun(host, rank, home, "trainer.max_steps=100000")
        for rank, (host, home) in enumerate(zip(hosts, homes, strict=True))
    ]
    run = homes[0] / "logs" / "two-hosts"
    try:
        end = time.monotonic() + 400
        while not (run / "checkpoints" / "last.ckpt").is_file():
            assert time.monotonic() < end, "no checkpoint"
            assert all(process.poll() is None for process in processes), [p.communicate()[0] for p in processes]
            time.sleep(0.2)
        assert json.loads((run / "summary.json").read_text())["world_size"] == 2
        assert not (homes[1] / "logs" / "two-hosts" / "summary.json").exists()  # only rank 0 writes

        vanish(hosts[1])
        out, _ = processes[0].communicate(timeout=150)  # the timeout of 30 s, and torchrun's own
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert processes[0].returncode != 0
    assert "error: rank 0 of 2 lost the others at step" in out, out[-3000:]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "failed"

    from tests.helpers.runners import Run, train

    before = Run(run, 0, "", "").checkpoint()["global_step"]
    resumed = train(homes[0], f"ckpt={run}", "trainer.num_nodes=1", f"trainer.max_steps={before + 1}")
    assert resumed.code == 0, resumed.err
    assert Run(run, 0, "", "").checkpoint()["global_step"] == before + 1
