"""``summary.json``: what came of a run, for people and scripts that come after it."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from adain.methods.base import TrainedMethod
from adain.runtime.files import write_whole
from adain.runtime.memory import peak_memory
from adain.runtime.run_folder import mark, read_summary
from adain.training.callbacks import find_callback
from adain.training.last_checkpoint import LastCheckpoint
from adain.training.progress import say
from adain.training.pruning import PruneTrial
from adain.training.throughput import Throughput
from adain.training.wandb_run import sync_command, wandb_loggers

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "hydra-core", "wandb")


class RunSummary(pl.Callback):
    """Writes ``summary.json`` at every validation and at the end, whatever the end is.

    Args:
        folder: The run's folder.
        monitor: ``metric`` and ``mode`` (``min`` or ``max``) of what "best" means.
        draft: What the recipe's decoder is good for; None: for use.

    Attributes:
        waiting_since: When the user began to wait for the first step, in seconds since the epoch.
        history: For each validation, its step and its metrics.
        reference: Held-out losses of the decoder that the run is compared with, by name; empty until then.
        first_step: Seconds from there until it was done; None before that, and where nothing was left to train.
        status: ``running``, ``finished``, ``pruned``, ``preempted`` or ``failed``.
    """

    def __init__(self, folder: str, monitor: dict[str, str], draft: str | None = None) -> None:
        self.path, self.monitor = Path(folder) / "summary.json", dict(monitor)
        self.draft = draft
        self.history: list[dict[str, float]] = []
        self.reference: dict[str, float] = {}
        self.status, self.error = "running", ""
        self._start = self.waiting_since = time.time()
        self.first_step: float | None = None
        self._rate: dict[str, float] = {}
        self._train: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the learning rate; a resumed run continues with the history up to its checkpoint."""
        pairs = getattr(getattr(trainer, "datamodule", None), "batch_size", None)
        batch = None if pairs is None else pairs * trainer.accumulate_grad_batches * trainer.world_size
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        rate = float(schedulers[0].base_lrs[0]) if schedulers else None  # scaled, not scheduled
        self._rate = {name: value for name, value in (("batch", batch), ("lr", rate)) if value is not None}
        self._recall(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note how long the first step took to come."""
        if self.first_step is None:
            self.first_step = time.time() - self.waiting_since

    def _recall(self, trainer: pl.Trainer) -> None:
        if trainer.ckpt_path and (before := read_summary(self.path.parent)):
            self.history = [row for row in before["history"] if row["step"] <= trainer.global_step]

    @property
    def best(self) -> dict[str, float]:
        """Return the validation with the best monitored value; empty before the first."""
        metric, sign = self.monitor["metric"], 1 if self.monitor["mode"] == "min" else -1
        seen = [row for row in self.history if row["step"] and math.isfinite(row.get(metric, math.nan))]
        return min(seen, key=lambda row: sign * row[metric]) if seen else {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the figures."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self.history = [row for row in self.history if row["step"] != trainer.global_step]
        self.history.append({"step": trainer.global_step, **figures})
        self.write(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write how the run ended. One that had no step left keeps the figures of those before."""
        if self._untouched(trainer):
            self._recall(trainer)
            # by the time of this file decoder=auto knows the newest run, which this is not
            if trainer.is_global_zero and read_summary(self.path.parent).get("status") != "finished":
                mark(self.path.parent, "finished")
            return
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        last, prune = find_callback(callbacks, LastCheckpoint), find_callback(callbacks, PruneTrial)
        stopped = last is not None and last.received is not None and trainer.global_step < trainer.max_steps
        pruned = prune is not None and prune.pruned
        self.finish(trainer, "preempted" if stopped else "pruned" if pruned else "finished")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write that the run broke off. One that could not go on stays as it was."""
        if self._untouched(trainer):
            return
        self.error = f"{type(exception).__name__}: {exception}"
        self.finish(trainer, "preempted" if isinstance(exception, KeyboardInterrupt) else "failed")

    def _untouched(self, trainer: pl.Trainer) -> bool:
        """Return whether the run was to go on but has not made a step of its own."""
        return bool(trainer.ckpt_path) and self.first_step is None and self.path.is_file()

    def finish(self, trainer: pl.Trainer, status: str) -> None:
        """Write the last word, here and in W&B."""
        self.status = status
        self.write(trainer)
        best = {f"best/{name.removeprefix('val/')}": value for name, value in self.best.items()}
        for logger in wandb_loggers(trainer):
            logger.experiment.summary.update({"status": status, **best})

    def compared(self, trainer: pl.Trainer, losses: dict[str, float]) -> None:
        """Keep the held-out losses of the decoder that the run is compared with."""
        self.reference = losses
        self.write(trainer)

    def write(self, trainer: pl.Trainer) -> None:
        """Write ``summary.json``, whole or not at all."""
        if not trainer.is_global_zero:
            return
        if (
            self.status != "failed" or trainer.world_size == 1
        ):  # asking would call the other ranks, of which one may be gone
            found = dict(trainer.callback_metrics)
            if trainer.world_size == 1:  # a run that fails between two log intervals shows its last step
                found |= cast(TrainedMethod, trainer.lightning_module).last_losses()
            self._train = {k: float(v) for k, v in found.items() if k.startswith(("train/", "data/"))}
        speed = find_callback(trainer.callbacks, Throughput)  # type: ignore[attr-defined]
        method = cast(TrainedMethod, trainer.lightning_module)
        summary = {
            "status": self.status,
            "error": self.error or None,
            "model": method.method,
            "ablation": method.ablation,
            "draft": self.draft,
            "steps": trainer.global_step,
            "final": self.history[-1] if self.history else {},
            "best": self.best,
            "history": self.history,
            "reference": self.reference,
            "train": self._train,
            "pairs_per_second": round(speed.pairs / speed.seconds, 3) if speed and speed.seconds else None,
            "peak_memory_mib": round(peak_memory(trainer.strategy.root_device) / 2**20),
            "first_step_seconds": None if self.first_step is None else round(self.first_step, 2),
            "wall_seconds": round(time.time() - self._start, 1),
            "precision": trainer.precision,
            "device": str(trainer.strategy.root_device),
            "world_size": trainer.world_size,
            **self._rate,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
            "git_commit": git_commit(),
            "wandb": next((logger.experiment.url for logger in wandb_loggers(trainer)), None),
        }
        write_whole(self.path, json.dumps(summary, indent=2) + "\n")


@cache  # asked for at every validation; the code that runs is that of the start
def git_commit() -> str | None:
    """Return the commit of the code that runs, with ``-dirty`` if it was changed since; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


@rank_zero_only
def log_configuration(loggers: list[Any], config: Any) -> None:
    """The resolved configuration and the git commit, as every logger has a place for them."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.define_metric(
                "trainer/global_step", hidden=True
            )  # the axis of all charts, and none itself
            logger.experiment.config.update({**config, "git_commit": git_commit()}, allow_val_change=True)
            if url := getattr(logger.experiment, "url", None):
                say(f"W&B: {url}")
        else:
            logger.log_hyperparams({**config, "git_commit": git_commit()})


def close_wandb(code: int) -> None:
    """End the W&B run, if there is one, with the exit code: else the next job of a sweep would go on in it."""
    import sys

    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        return
    run = wandb.run
    if code == 1:
        run.summary.update({"status": "failed"})  # also where the run broke off before its first step
    if code > 128 and run.sweep_id is None:  # of a W&B sweep it would be begun again, though its user stopped it there
        run.mark_preempting()  # W&B then calls it preempted, not failed
    try:
        wandb.finish(exit_code=code)
    except TimeoutError:  # what is missing stands on the disk
        say(f"W&B: the server did not take everything in time; later: {sync_command(Path(run.dir).parent)}")
