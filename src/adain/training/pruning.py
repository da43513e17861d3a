"""Reports a trial's progress to its Optuna study, and ends it when the study sees that it is poor."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from adain.training.progress import say


class PruneTrial(pl.Callback):
    """Reports the monitored value at every validation.

    Args:
        trial: ``optuna.Trial`` of a study that has a pruner.
        metric: What is reported.

    Attributes:
        pruned: Whether the study ended the trial.
    """

    def __init__(self, trial: Any, metric: str) -> None:
        self.trial, self.metric, self.pruned = trial, metric, False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, and ask the study whether to go on."""
        if (
            trainer.state.fn != TrainerFn.FITTING
            or trainer.global_step == 0
            or self.metric not in trainer.callback_metrics
        ):
            return
        value, step = float(trainer.callback_metrics[self.metric]), trainer.global_step
        if trainer.is_global_zero and math.isfinite(value):
            self.trial.report(value, step)
        prune = trainer.is_global_zero and step < trainer.max_steps and self.trial.should_prune()
        if trainer.strategy.reduce_boolean_decision(bool(prune), all=False):
            self.pruned = trainer.should_stop = True
            say(f"pruned at step {step}: {self.metric} {value:.3f} is poor beside the study's other trials")
