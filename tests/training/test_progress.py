"""The bar of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from adain.training.progress import StepBar


def test_a_resumed_runs_bar_begins_behind_the_batches_that_are_done() -> None:
    trainer: Any = SimpleNamespace(
        max_steps=10, global_step=4, accumulate_grad_batches=3, is_global_zero=True, local_rank=0
    )
    bar = StepBar()
    bar.setup(trainer, None, "fit")  # type: ignore[arg-type]
    bar.on_train_start(trainer)
    shown = bar.train_progress_bar
    assert (shown.total, shown.initial, shown.n) == (30, 12, 12)
    shown.close()
