"""The progress bar of a run that is counted in steps, not epochs, and lines printed above it."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.utilities import rank_zero_only

from adain.methods.base import TrainedMethod
from adain.runtime.progress import Bar

REFRESH_SECONDS = 0.2
"""The least time between two looks at the losses: each makes the processor wait for the GPU."""


@rank_zero_only
def say(line: str) -> None:
    """One line for the user, once over all processes, without tearing a progress bar."""
    Bar.write(line)


class StepBar(TQDMProgressBar):
    """Lightning's bar over all steps of the run, so that it knows the time left. Content and style loss stand behind."""

    def init_train_tqdm(self) -> Any:
        """Return the bar; in a log file it is a line per tenth."""
        return Bar(unit="step", disable=self.is_disabled, dynamic_ncols=True, file=sys.stdout, smoothing=0)

    def init_validation_tqdm(self) -> Any:
        """Return Lightning's bar, silent in a log file: the held-out pictures take a moment."""
        return super().init_validation_tqdm() if sys.stdout.isatty() else Bar(disable=True)

    @property
    def total_train_batches(self) -> int | float:
        """Batches of the whole run."""
        total = self.trainer.max_steps * self.trainer.accumulate_grad_batches
        return total if total > 0 else super().total_train_batches

    def on_train_start(self, trainer: pl.Trainer, *args: object) -> None:
        """Begin the bar: of a resumed run Lightning starts no epoch, and so no bar. Its estimate begins at its first step."""
        super().on_train_start(trainer)
        self._refresh_at, bar = 0.0, self.train_progress_bar
        bar.reset(self.total_train_batches)
        bar.set_description("training")
        bar.initial = bar.n = trainer.global_step * trainer.accumulate_grad_batches

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: object) -> None:
        """Keep it as it is: the epoch is the run."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar and read the losses, where the last look is long enough ago."""
        now = time.monotonic()
        if now >= self._refresh_at or batch_idx + 1 == self.total_train_batches:
            self._refresh_at = now + REFRESH_SECONDS
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bars. Lightning leaves them open then, and the next job of a sweep would have its bar below them."""
        for bar in (self._train_progress_bar, self._val_progress_bar):
            if bar is not None:
                bar.close()

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the two losses of the last step on this process, short."""
        found = pl_module.last_losses() if isinstance(pl_module, TrainedMethod) else {}
        return {
            name: f"{found[f'train/{name}'].item():.2f}" for name in ("content", "style") if f"train/{name}" in found
        }
