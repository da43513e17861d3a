"""strategy=deepspeed as far as CPUs go: DeepSpeed's own engine, ZeRO stage 1, two ranks over gloo.

DeepSpeed runs on CPUs, Lightning's strategy and our check say no to them. Both are told here to let it be, and DeepSpeed not to
compile its exchange through shared memory; nothing else is changed. What a GPU adds (NCCL, kernels, streams) is not run.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.runners import Run, command
from tests.helpers.settings import QUICK

pytest.importorskip("deepspeed", reason="needs the extra `deepspeed`")
pytestmark = pytest.mark.slow

SMALL = [*QUICK, "model.widths=[64,128,256]", "seed=5", "optimizer.lr=3e-4"]
RANK = """
from importlib import import_module
from types import SimpleNamespace
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import deepspeed
from adain.cli import train
from adain.cli.preflight import strategy
import_module("deepspeed.comm.torch").build_shm_op = lambda: None
deepspeed.CUDAAccelerator = CPUAccelerator
deepspeed._validate_device_index_selection = lambda *_: None
deepspeed.argparse = SimpleNamespace(Namespace=lambda device_rank: None)  # a CPU has no number
strategy._check_gpus = lambda *_: None
train.main()
"""


def two_ranks(cwd: Path, *overrides: str) -> Run:
    """Two processes as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (cwd / "rank.py").write_text(RANK)
    given = {"DS_ACCELERATOR": "cpu", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "rank.py", *overrides], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **given, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [rank.communicate(timeout=500)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)
    return Run(cwd / "logs" / "two", 0, said[0], "")


def test_two_ranks_learn_what_shares_by_fsdp_learn_and_go_on(tmp_path: Path) -> None:
    """FSDP is held against a whole decoder elsewhere (``test_ranks``); DeepSpeed, cut in two, takes its very steps.

    Fails if gradients are summed, a rank's share of Adam's state is lost, or a folder is not a checkpoint to go on from.
    """
    ranks = ["trainer.devices=2", "data.batch_size=2", "hydra.run.dir=logs/two"]
    (tmp_path / "fsdp").mkdir()
    done = command("train", *SMALL, *ranks, "strategy=fsdp", "trainer.max_steps=6", cwd=tmp_path / "fsdp")
    assert done.returncode == 0, done.stderr
    other = Run(tmp_path / "fsdp" / "logs" / "two", 0, done.stdout, done.stderr)

    two_ranks(tmp_path, *SMALL, *ranks, "strategy=deepspeed")
    last = tmp_path / "logs" / "two" / "checkpoints" / "last.ckpt"
    assert last.is_dir()
    two = two_ranks(tmp_path, "ckpt=logs/two", "trainer.max_steps=6")
    history = [row["val/loss"] for row in other.summary["history"]]
    assert [row["step"] for row in two.summary["history"]] == [0, 2, 4, 6]
    assert [row["val/loss"] for row in two.summary["history"]] == pytest.approx(history, rel=1e-4)
    assert history[-1] != pytest.approx(history[0], rel=1e-2)

    from pytorch_lightning.utilities.deepspeed import convert_zero_checkpoint_to_fp32_state_dict

    convert_zero_checkpoint_to_fp32_state_dict(str(last), str(tmp_path / "decoder.ckpt"))
    made = torch.load(tmp_path / "decoder.ckpt", weights_only=True)["state_dict"]
    for name, weight in other.decoder().items():
        assert (made[name] - weight).norm() < 1e-3 * weight.norm(), name
