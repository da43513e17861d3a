"""A training that is told to stop at an exact place."""

from __future__ import annotations

import os
import signal
from typing import Any, Literal

import pytest
import pytorch_lightning as pl

Place = Literal["batch", "validation"]
TARGET = f"+callbacks.stop._target_={__name__}.Stop"
"""The word that adds the callback to a run."""


def stop_at(
    patch: pytest.MonkeyPatch, place: Place, count: int, number: signal.Signals = signal.SIGTERM, job: int = 0
) -> None:
    """Tells the trainings with ``TARGET`` that start from now on to stop: a resumed run has the callback too.

    Args:
        patch: Undone at the test's end.
        place: At the end of a batch, or in a validation.
        count: Of which batch, from 1, or in the validation after which step.
        number: The signal.
        job: Of a sweep's jobs in one process, how many are spared first.
    """
    patch.setenv("STOP_AT", f"{place} {count} {int(number)}")
    patch.setattr(Stop, "spared", job)


def go_on(patch: pytest.MonkeyPatch) -> None:
    """Lets the trainings from now on run to their end."""
    patch.delenv("STOP_AT")


class Stop(pl.Callback):
    """Sends a signal to the process, or SIGKILL to its whole group, at the end of a batch or in a validation."""

    spared = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stop("batch", batch_idx + 1)

    def on_validation_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self._stop("validation", trainer.global_step)

    def _stop(self, place: str, count: int) -> None:
        wanted, at, number = os.environ.get("STOP_AT", "never 0 0").split()
        if (place, count) == (wanted, int(at)):
            if Stop.spared:
                Stop.spared -= 1
                return
            if int(number) == signal.SIGKILL:
                os.killpg(0, signal.SIGKILL)
            os.kill(os.getpid(), int(number))
