"""Fixtures of the whole suite. Weights and sample pictures come from set-up's cache; no test reaches the network."""

from __future__ import annotations

import os

import pytest
import torch

from adain.encoder import Encoder
from tests.helpers.runners import Run, command, latest_run
from tests.helpers.tensors import smooth_tensor

# Nobody is logged in to W&B, whatever the machine knows.
for name in ("WANDB_API_KEY", "WANDB_MODE"):
    os.environ.pop(name, None)
os.environ["NETRC"] = os.devnull


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real, verified VGG-19."""
    return Encoder.load("vgg19_normalised")


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two smooth random pictures, 2 x 3 x 48 x 40."""
    return smooth_tensor(7, 48, 40, count=2)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One training that many tests look at: ``experiment=smoke`` with W&B offline."""
    cwd = tmp_path_factory.mktemp("smoke")
    done = command("train", "experiment=smoke", "trainer.precision=32-true", cwd=cwd)
    return Run(latest_run(cwd), done.returncode, done.stdout, done.stderr)
