"""What the training loop costs beside the step itself: ``make train`` and a bare loop, in turns, step by step.

The network has next to nothing to compute, so that what is left is the loop: Lightning, callbacks, logging, the loader.
On a GPU this time passes while the step of before is computed, and is lost only where it is the longer of the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from adain.evaluation.speed.clock import synchronize, timings
from adain.evaluation.speed.training import fit
from adain.evaluation.store import Row
from adain.functional.losses import weighted_total
from adain.methods.base import TrainedMethod

Training = Callable[[Sequence[str], Path, Sequence[pl.Callback]], object]
"""Runs ``make train`` with overrides, in a folder, with callbacks beside the configured ones."""

TINY = (
    "experiment=smoke", "model.init=random", "model.widths=[1,1,1]", "data.crop=16", "data.resize=20", "data.val_size=16",
    "data.batch_size=1", "data.num_workers=1", "trainer.precision=32-true", "trainer.log_every_n_steps=10", "logger=csv",
    "callbacks.progress._target_=adain.training.progress.StepBar", "seed=1",
)  # fmt: skip
"""A training with every callback, a loader process and a logger, and hardly a network."""

_WARM_UP = 20  # steps


class InTurns(pl.Callback):
    """Makes a bare step after each step of a training, and looks at the clocks between the two.

    A machine that is busy for a while is busy for both, so the difference of a pair of steps can be trusted.

    Attributes:
        loop: Of each step of the training: seconds by the clock, and processor seconds of this process.
        bare: The same of the bare steps.
        last: The module, and its last batch.
    """

    last: tuple[TrainedMethod, Any]

    def __init__(self) -> None:
        self.loop: list[tuple[float, float]] = []
        self.bare: list[tuple[float, float]] = []
        self._since: tuple[float, float] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop one clock, make the bare step, and start the next."""
        assert isinstance(pl_module, TrainedMethod)
        self.last = pl_module, batch
        now = _clocks(trainer.strategy.root_device)
        if self._since is not None:
            self.loop.append((now[0] - self._since[0], now[1] - self._since[1]))
        optimizer = trainer.optimizers[0]
        with trainer.precision_plugin.forward_context(), torch.enable_grad():
            terms, _ = pl_module.losses(batch["content"], batch["style"])
            loss = weighted_total(terms, pl_module.weights)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        self._since = _clocks(trainer.strategy.root_device)
        self.bare.append((self._since[0] - now[0], self._since[1] - now[1]))


def measure_loop(train: Training, steps: int, folder: Path, device: torch.device) -> list[Row]:
    """Return what a step costs in ``make train``, in a bare loop, and the difference; and Lightning's share of it.

    The training's own files go into the folder.
    """
    ours, lightning, count = InTurns(), InTurns(), steps + _WARM_UP
    where = "gpu" if device.type == "cuda" else "cpu"
    words = [*TINY, f"trainer={where}", f"trainer.max_steps={count}", f"trainer.val_check_interval={count}"]
    train(words, folder, [ours])
    fit(*ours.last, count, device, lightning)
    rows: list[Row] = []
    for clock, stage in enumerate(("a step", "a step, processor time")):
        found = {
            "bare loop": [one[clock] for one in ours.bare[_WARM_UP:]],
            "make train": [one[clock] for one in ours.loop[_WARM_UP - 1 :]],
            "make train above the bare loop": _above(ours, clock),
            "Lightning alone above the bare loop": _above(lightning, clock),
        }
        for name, seconds in found.items():
            row: Row = {"work": "loop", "size": 16, "batch": 1, "contestant": name, "stage": stage}
            rows.append(row | timings(seconds))
    return sorted(rows, key=lambda row: list(found).index(row["contestant"]))


def _above(turns: InTurns, clock: int) -> list[float]:
    """Return by how much each counted step of the loop took longer than the bare step before it."""
    return [b[clock] - a[clock] for a, b in zip(turns.bare[_WARM_UP:], turns.loop[_WARM_UP - 1 :], strict=True)]


def _clocks(device: torch.device) -> tuple[float, float]:
    synchronize(device)
    return time.perf_counter(), time.process_time()
