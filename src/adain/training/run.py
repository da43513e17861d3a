"""One training, or one rank's part of it: from a configuration to checkpoints, figures and a summary."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.strategies import DeepSpeedStrategy, ModelParallelStrategy

from adain.data.pairs import StyleTransferDataModule
from adain.methods.base import TrainedMethod
from adain.runtime.compiling import compiled
from adain.runtime.conf import build
from adain.runtime.files import point_latest
from adain.runtime.memory import keep_freed_memory, reset_peak_memory
from adain.runtime.precision import allow_tf32, memory_format
from adain.training.broadcast_init import BroadcastInit
from adain.training.callbacks import find_callback
from adain.training.cuda_graph import use_cuda_graph
from adain.training.last_checkpoint import FirstStep, LastCheckpoint
from adain.training.outcome import compare, print_next, report
from adain.training.ranks import lost_ranks_named
from adain.training.resume import check_loads, write_record
from adain.training.run_summary import RunSummary, close_wandb, log_configuration
from adain.training.trainer import build_trainer


def run_training(config: DictConfig, folder: Path, since: float, extra: Sequence[pl.Callback] = ()) -> float | None:
    """Train in this process.

    Args:
        config: Composed from ``conf/train.yaml``, and checked.
        folder: Of the run.
        since: When the user began to wait, in seconds since the epoch.
        extra: Callbacks beside the configured ones: a sweep's.

    Returns:
        The best monitored value; None if there was no validation.

    Raises:
        UserError: If the run cannot go on.
        SystemExit: If it was told to stop: 128 + the signal's number. Its checkpoint is written.
    """
    keep_freed_memory()
    allow_tf32(config.tf32)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    code = 1  # for W&B: it failed
    try:
        datamodule: StyleTransferDataModule = build(config.data)
        method: TrainedMethod = build(config.model, optimizer=instantiate(config.optimizer))
        method.configure_data(datamodule)
        if config.ckpt is not None:
            check_loads(Path(config.ckpt), method, datamodule)
        loggers = list(instantiate(config.logger).values())  # what fails from here on is marked failed in W&B
        log_configuration(loggers, OmegaConf.to_container(config, resolve=True))
        if config.compile:
            method.losses = compiled(method.losses, training_only=True)  # type: ignore[method-assign]
        configured = list(instantiate(config.callbacks).values())
        if (summary := find_callback(configured, RunSummary)) is not None:
            summary.waiting_since = since
        callbacks = [BroadcastInit(datamodule.sample_crops if config.ckpt is None else None), *configured, *extra]
        # what cannot make a step leaves logs/latest and a resumed run's record as they are
        callbacks.append(FirstStep(partial(_record, config, folder, datamodule)))
        trainer = build_trainer(config, loggers, callbacks)
        use_cuda_graph(method, trainer, config.cuda_graph, config.compile)
        with lost_ranks_named(trainer, folder):
            _fit(config, folder, trainer, method, datamodule)
            last = find_callback(callbacks, LastCheckpoint)
            received = last.received if last is not None else None
            idle = config.ckpt is not None and summary is not None and summary.first_step is None
            if config.compare_with is not None and trainer.is_global_zero and not (received or idle):
                losses = compare(config.compare_with, trainer, method, datamodule)
                if losses and summary is not None:
                    summary.compared(trainer, losses)
        code = 128 + received if received else 0
    except (KeyboardInterrupt, SystemExit):  # told to stop before the first step, or twice: see ``session``
        code = 128 + signal.SIGTERM
        raise
    finally:
        close_wandb(code)
    if idle and trainer.is_global_zero and trainer.global_step >= trainer.max_steps:
        print(f"Already trained for {trainer.global_step} steps; raise trainer.max_steps to continue")
    if trainer.is_global_zero:
        report(folder, callbacks, config.compare_with)
        if HydraConfig.get().mode != RunMode.MULTIRUN:  # a sweep says itself what comes next
            print_next(folder, config.logs, method, config.draft, datamodule.held_out.names[0], bool(code))
    if received:
        if received == signal.SIGUSR2 and callable(signal.getsignal(received)):
            os.kill(os.getpid(), received)  # to submitit, for which it was meant: the job is queued again
        sys.exit(code)
    return summary.best.get(config.monitor.metric) if summary is not None else None


def _fit(
    config: DictConfig, folder: Path, trainer: pl.Trainer, method: TrainedMethod, datamodule: StyleTransferDataModule
) -> None:
    """Validate once before a new run's first step, then train to the end or until told to stop."""
    device = trainer.strategy.root_device
    reset_peak_memory(device)  # the jobs of a sweep share a process
    if trainer.is_global_zero:
        rounded = ", float32 products in TF32" if config.tf32 and device.type == "cuda" else ""
        print(f"run: {folder}  ({device}, precision {trainer.precision}{rounded})")
    datamodule.setup()
    if trainer.is_global_zero:
        _say_shared(datamodule, ("content", "style") if method.capabilities.any_style else ("content",))
    if not isinstance(trainer.strategy, ModelParallelStrategy | DeepSpeedStrategy):  # they send contiguous weights only
        method.to(memory_format=memory_format(device, str(trainer.precision)))
    method.to(device)
    if config.ckpt is None:
        trainer.validate(method, datamodule, verbose=False)
    trainer.fit(method, datamodule, ckpt_path=config.ckpt)


def _record(config: DictConfig, folder: Path, datamodule: StyleTransferDataModule) -> None:
    """Make ``logs/latest`` this run and write what it is of. A new run's configuration is there already."""
    point_latest(Path(config.logs) / "latest", folder)
    write_pairs(folder / "held_out.csv", datamodule.held_out.names)
    if config.ckpt is not None:
        write_record(config, folder)


def write_pairs(path: Path, names: list[tuple[str, str]]) -> None:
    """Write which held-out pairs every figure and picture of the run is of. Say so if a resumed run has others."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("content", "style"), *names])
    lines = text.getvalue().encode(errors="surrogateescape")  # file names need not be UTF-8
    if path.is_file() and path.read_bytes() != lines:
        print(
            f"the held-out pairs are not those in {path}, because the pictures changed: figures from here on cannot be "
            "compared with those before; data.held_out=FILE fixes them"
        )
    path.write_bytes(lines)


def _say_shared(datamodule: StyleTransferDataModule, kinds: Sequence[str]) -> None:
    """Say that pictures of these kinds (``content``, ``style``) are both trained on and held out, where there is one."""
    for kind in kinds:
        source = getattr(datamodule, f"train_{kind}")
        names = set(getattr(source, "names", ()))
        if names and names <= {pair[kind == "style"] for pair in datamodule.held_out.names}:
            print(f"data.{kind} is one picture: it is trained on and held out, so held-out losses say little")
