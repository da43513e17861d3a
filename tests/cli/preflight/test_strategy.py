"""A strategy that the machine cannot run is refused in one sentence before any job starts."""

from __future__ import annotations

import importlib.util

import pytest

from adain.cli.arguments import keep_to_one_folder
from adain.cli.preflight import strategy
from adain.cli.preflight.compose import preflight
from adain.runtime.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Hydra, of launchers' schemas: see cli/app.py
RANK = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*RANK, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _every_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the optional packages look installed, so that the checks do not depend on this machine."""
    find = importlib.util.find_spec
    there = ("deepspeed", "hydra_plugins.")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: object() if name.startswith(there) else find(name, *rest)
    )


@pytest.mark.parametrize(
    ("gpus", "words", "said"),
    [
        (0, "trainer=gpu trainer.devices=4 strategy=ddp", "torch finds no GPU on this machine"),
        (0, "trainer=gpu", "torch finds no GPU on this machine: use trainer=cpu"),
        (1, "trainer=gpu strategy=ddp trainer.devices=4", "this machine has 1 GPU: give at most 1"),
        (2, "trainer=gpu strategy=ddp trainer.devices=[0,2]", "this machine has 2 GPUs: give at most 2"),
        (0, "strategy=ddp trainer.devices=4", "for 4 processes on its CPU add trainer=cpu"),
        (0, "trainer=cpu trainer.devices=2", "add strategy=ddp"),
        (0, "trainer=cpu trainer.num_nodes=2", "trainer.num_nodes=2 needs a strategy for several devices"),
        (0, "trainer=cpu strategy=ddp trainer.num_nodes=2", "start it on every machine with torchrun or srun"),
        (
            0,
            "trainer=cpu strategy=fsdp optimizer=adam",
            "strategy=fsdp divides the work among devices, but there is one",
        ),
        (2, "strategy=fsdp trainer.devices=2 optimizer=muon", "optimizer=muon orthogonalizes whole layers"),
        (2, "strategy=deepspeed trainer.devices=2 optimizer=muon", "optimizer=muon orthogonalizes whole layers"),
        (0, "trainer=cpu strategy=deepspeed optimizer=adam trainer.devices=2", "strategy=deepspeed runs on GPUs only"),
        (0, "trainer=cpu strategy=ddp trainer.devices=0", "trainer.devices=0 is not allowed"),
        (0, "trainer=cpu strategy=ddp trainer.devices=two", "trainer.devices=two is not allowed"),
        (0, "trainer=cpu trainer.strategy=ddp", "choose with strategy=single, strategy=ddp"),
        (0, "strategy=dpp", "strategy=dpp does not exist (did you mean ddp"),
        (0, "optimizer.scale_lr=lineal", "optimizer.scale_lr=lineal is not allowed (did you mean linear"),
        (0, "optimizer.lr_batch=0", "optimizer.lr_batch=0 is too small"),
    ],
)
def test_impossible_combinations_are_refused(gpus: int, words: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "_gpus", lambda: gpus)
    with pytest.raises(UserError) as error:
        preflight("train", words.split())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        (0, ""),
        (0, "trainer=cpu strategy=ddp trainer.devices=2"),
        (4, "strategy=ddp trainer.devices=4"),
        (4, "strategy=ddp trainer.devices=auto trainer=gpu"),
        (4, "strategy=ddp trainer.devices=[1,3] trainer=gpu"),
        (0, "trainer=cpu strategy=fsdp trainer.devices=2 optimizer=adam"),
        (0, "hydra/launcher=submitit_slurm trainer=gpu trainer.devices=8 strategy=ddp"),
    ],
)
def test_possible_combinations_pass(gpus: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one is for a cluster's machines, not for this one."""
    monkeypatch.setattr(strategy, "_gpus", lambda: gpus)
    preflight("train", words.split())


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("deepspeed", "strategy=deepspeed trainer.devices=2 optimizer=adam", "deepspeed"),
        ("hydra_plugins.hydra_ray_launcher", "hydra/launcher=ray", "ray"),
        ("hydra_plugins.hydra_submitit_launcher", "hydra/launcher=submitit_slurm", "slurm"),
        ("hydra_plugins.hydra_joblib_launcher", "hydra/launcher=joblib", "joblib"),
    ],
)
def test_a_missing_extra_is_named(package: str, words: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else real(name, *rest))
    with pytest.raises(UserError, match=f"needs the extra `{extra}`"):
        preflight("train", words.split())


def test_the_number_of_launched_processes_must_match_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RANK.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="2 processes were started"):
        preflight("train", ["trainer=cpu", "strategy=ddp", "trainer.devices=1"])
    preflight("train", ["trainer=cpu", "strategy=ddp", "trainer.devices=2"])
    preflight("train", ["trainer=cpu", "strategy=ddp", "trainer.devices=1", "trainer.num_nodes=2"])


def test_a_sweep_in_every_rank_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RANK.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="would run the whole sweep"):
        keep_to_one_folder(["--multirun", "seed=1,2"])


def test_only_rank_0_keeps_a_folder_of_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RANK.items():
        monkeypatch.setenv(name, value)
    words = keep_to_one_folder(["seed=1"])
    assert any(word.startswith("hydra.run.dir=") and "adain-rank-" in word for word in words)
    assert keep_to_one_folder(["hydra.run.dir=x"]) == ["hydra.run.dir=x"]
    monkeypatch.setenv("RANK", "0")
    assert keep_to_one_folder(["seed=1"]) == ["seed=1"]
