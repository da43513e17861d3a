"""The bar of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adain.training.progress import StepBar


def started(steps: int) -> StepBar:
    trainer: Any = SimpleNamespace(
        max_steps=steps,
        global_step=0,
        accumulate_grad_batches=1,
        is_global_zero=True,
        local_rank=0,
        progress_bar_metrics={},
    )
    bar = StepBar()
    bar.setup(trainer, None, "fit")  # type: ignore[arg-type]
    bar.on_train_start(trainer)
    return bar


def go_on(bar: StepBar, steps: int) -> None:
    for step in range(1, steps + 1):  # as Lightning does it
        bar.train_progress_bar.n = step
        bar.train_progress_bar.refresh()
        bar.train_progress_bar.set_postfix({"content": "1.00"})


def test_a_log_file_gets_a_line_for_each_tenth_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a training before it, in the same process, ended by an error."""
    failed = started(10)
    go_on(failed, 2)
    failed.on_exception(failed.trainer, None, RuntimeError())  # type: ignore[arg-type]
    capsys.readouterr()
    bar = started(160)
    go_on(bar, 160)
    bar.train_progress_bar.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"training: {percent} %" for percent in range(10, 100, 10)]


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
