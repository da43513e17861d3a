"""Pairs per second, peak memory and learning rate, logged beside the losses."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl

from adain.runtime.memory import peak_memory


class Throughput(pl.Callback):
    """Logs ``train/pairs_per_second`` (all ranks, validation left out), ``train/peak_memory_mib`` and ``train/lr``.

    Attributes:
        pairs: Pairs trained on in this process's lifetime, over all ranks.
        seconds: Time spent training on them.
    """

    def __init__(self) -> None:
        self.pairs, self.seconds = 0, 0.0
        self._since, self._window_pairs, self._window_seconds = 0.0, 0, 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock; what has passed since the last batch's end was waiting for data, and counts."""
        if not self._since:
            self._since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and log at the trainer's interval."""
        now = time.perf_counter()
        pairs, seconds = len(batch["content"]) * trainer.world_size, now - self._since
        self.pairs, self.seconds, self._since = self.pairs + pairs, self.seconds + seconds, now
        self._window_pairs, self._window_seconds = self._window_pairs + pairs, self._window_seconds + seconds
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]  # set by a connector
            rate = self._window_pairs / max(self._window_seconds, 1e-9)
            pl_module.log("train/pairs_per_second", rate, batch_size=1)
            pl_module.log("train/peak_memory_mib", peak_memory(trainer.strategy.root_device) / 2**20, batch_size=1)
            pl_module.log("train/lr", trainer.optimizers[0].param_groups[0]["lr"], batch_size=1)
            self._window_pairs, self._window_seconds = 0, 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self._since = 0.0
