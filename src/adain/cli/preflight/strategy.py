"""Check that the machine can do what ``strategy=`` and ``trainer.devices=`` ask for, before any job starts."""

from __future__ import annotations

import importlib.util
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.extras import install_command
from adain.runtime.launched import launched_outside

_KINDS = {"DDPStrategy": "ddp", "FSDP": "fsdp", "DeepSpeed": "deepspeed"}
SHARDING = ("fsdp", "deepspeed")
_EXTRAS = {  # each launcher's plugin, and the extra that installs it
    "joblib": ("joblib_launcher", "joblib"),
    "submitit_slurm": ("submitit_launcher", "slurm"),
    "ray": ("ray_launcher", "ray"),
}
_ELSEWHERE = ("submitit_slurm", "ray")  # launchers whose jobs run on other machines


def strategy_kind(config: DictConfig) -> str:
    """Return ``single``, ``ddp``, ``fsdp`` or ``deepspeed``.

    Raises:
        UserError: If ``trainer.strategy`` has one of Lightning's names instead of a choice of ``strategy=``.
    """
    strategy = OmegaConf.select(config, "trainer.strategy")
    if strategy is None or strategy == "auto":
        return "single"
    target = str(strategy.get("_target_")).rpartition(".")[2] if OmegaConf.is_dict(strategy) else ""
    for name, kind in _KINDS.items():
        if target.startswith(name):
            return kind
    raise UserError(
        f"trainer.strategy={strategy} is not allowed: choose with strategy=single, strategy=ddp, strategy=fsdp or "
        "strategy=deepspeed"
    )


def device_count(config: DictConfig) -> int:
    """Return the number of processes that a checked ``trainer.devices`` asks for on each machine, one per device."""
    devices: Any = config.trainer.devices
    if OmegaConf.is_list(devices):
        return len(devices)
    if str(devices) in ("auto", "-1"):
        return max(1, _gpus()) if config.trainer.accelerator in ("auto", "gpu", "cuda") else 1
    if isinstance(devices, str) and "," in devices:
        return len(devices.split(","))
    return int(devices)


def check_strategy(config: DictConfig, here: bool = False) -> None:
    """Check that strategy, devices and machines fit each other and this machine.

    Args:
        config: The configuration of ``train``. Those of other commands have no ``trainer`` and pass.
        here: Whether this process will train. If not, jobs sent to a cluster are not checked against this machine.

    Raises:
        UserError: If the combination is impossible. The message says what to do.
    """
    if OmegaConf.select(config, "trainer.devices") is None:
        return
    kind, nodes = strategy_kind(config), int(config.trainer.num_nodes)
    if kind in SHARDING and config.optimizer._target_.endswith("muon"):
        raise UserError(
            f"optimizer=muon orthogonalizes whole layers, but strategy={kind} splits them: use optimizer=adam or "
            "strategy=ddp"
        )
    if kind == "deepspeed" and importlib.util.find_spec("deepspeed") is None:
        raise UserError(f"strategy=deepspeed needs the extra `deepspeed`: {install_command('deepspeed')}")
    launcher = "basic" if here else _launcher()
    if launcher in _EXTRAS and importlib.util.find_spec(f"hydra_plugins.hydra_{_EXTRAS[launcher][0]}") is None:
        extra = _EXTRAS[launcher][1]
        raise UserError(f"hydra/launcher={launcher} needs the extra `{extra}`: {install_command(extra)}")
    if launcher in _ELSEWHERE:
        return
    devices = device_count(config)
    if kind == "single" and devices * nodes > 1:
        typed = f"trainer.num_nodes={nodes}" if nodes > 1 else f"trainer.devices={config.trainer.devices}"
        raise UserError(f"{typed} needs a strategy for several devices, but strategy=single is given: add strategy=ddp")
    _check_gpus(config, kind, devices)
    if kind in SHARDING and devices * nodes == 1:
        raise UserError(
            f"strategy={kind} divides the work among devices, but there is one (trainer.devices={config.trainer.devices}): "
            "give trainer.devices=2 or more, or strategy=single"
        )
    outside = launched_outside()
    if outside is None and nodes > 1:
        raise UserError(
            f"trainer.num_nodes={nodes}, but this process was started alone: start it on every machine with torchrun or "
            "srun (docs/scaling.md), or leave trainer.num_nodes out"
        )
    if outside is not None and outside[1] != devices * nodes:
        raise UserError(
            f"{outside[1]} processes were started, but trainer.devices={config.trainer.devices} and "
            f"trainer.num_nodes={nodes} ask for {devices * nodes}: set trainer.devices to the number of processes per "
            f"machine, and strategy={'ddp' if kind == 'single' else kind}"
        )


def _launcher() -> str:
    """Return the choice of ``hydra/launcher``."""
    return str(HydraConfig.get().runtime.choices.get("hydra/launcher")) if HydraConfig.initialized() else "basic"


def _check_gpus(config: DictConfig, kind: str, devices: int) -> None:
    accelerator = config.trainer.accelerator
    on_gpu = accelerator in ("gpu", "cuda")
    if not on_gpu and (accelerator != "auto" or (devices == 1 and kind == "single")):
        if kind == "deepspeed":
            raise UserError("strategy=deepspeed runs on GPUs only: use trainer=gpu, or strategy=ddp on CPUs")
        return
    available = _gpus()
    typed = f"trainer.devices={config.trainer.devices}"
    if on_gpu and not available:
        raise UserError(
            f"trainer.accelerator={accelerator} with {typed}, but torch finds no GPU on this machine: use trainer=cpu"
        )
    if not available and kind == "deepspeed":
        raise UserError("strategy=deepspeed runs on GPUs only and torch finds none on this machine: use strategy=ddp")
    if not available and devices > 1:
        raise UserError(
            f"{typed}, but torch finds no GPU on this machine: for {devices} processes on its CPU add trainer=cpu"
        )
    numbers = [int(d) for d in config.trainer.devices] if OmegaConf.is_list(config.trainer.devices) else [devices - 1]
    if available and max(numbers) >= available:
        plural = "s" if available > 1 else ""
        raise UserError(f"{typed}, but this machine has {available} GPU{plural}: give at most {available}")


def _gpus() -> int:
    """Return the number of GPUs that torch can use. Importing torch is slow: call this only if the answer matters."""
    import torch

    return torch.cuda.device_count()
