"""What the trained methods share: the rates of a run, step by step."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adain.methods.base import TrainedMethod
from adain.methods.optimizers import adam


class OneWeight(TrainedMethod):
    """The least that can be trained. It notes the rate that each step is made with."""

    def __init__(self, **given: Any) -> None:
        super().__init__(partial(adam, **{"lr": 0.5, "schedule": "constant", **given}))
        self.weights = {"content": 1.0, "style": 1.0}
        self.layer = nn.Linear(1, 1)
        self.rates: list[float] = []

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        output = self.layer(content)
        return {"content": output.square().mean(), "style/relu1_1": output.square().mean()}, output

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.rates.append(optimizer.param_groups[0]["lr"])


def rates(steps: int, **given: Any) -> list[float]:
    """The rates of a run of so many steps."""
    method = OneWeight(**given)
    pairs = [{"content": torch.ones(1), "style": torch.ones(1)}] * steps
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    pl.Trainer(accelerator="cpu", max_steps=steps, **quiet).fit(method, DataLoader(pairs))  # type: ignore[arg-type]
    return method.rates


def test_the_warm_up_rises_in_equal_steps_and_is_over_after_them() -> None:
    """Steps 0, 1, w - 1, w and what follows, of w = 4."""
    assert rates(6, warmup_steps=4) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    assert rates(2, warmup_steps=0) == [0.5, 0.5]


def test_the_warm_up_multiplies_the_schedule() -> None:
    """Linear to 0 over all 5 steps, warm-up among them."""
    wanted = [0.5 * 1 / 3, 0.5 * 0.8 * 2 / 3, 0.5 * 0.6, 0.5 * 0.4, 0.5 * 0.2]
    assert rates(5, warmup_steps=2, schedule="linear") == pytest.approx(wanted)
