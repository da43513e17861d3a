"""The training loop beside a bare one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adain.evaluation.speed import loop
from adain.methods.base import TrainedMethod


class Counted(TrainedMethod):
    """Counts its losses."""

    method = "adain"

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.layer, self.steps = {"content": 1.0, "style": 1.0}, nn.Linear(2, 1), 0

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        self.steps += 1
        return {"content": self.layer(content).sum(), "style/relu1_1": self.layer(style).sum()}, content


def test_each_step_of_a_training_is_followed_by_a_bare_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, seen, now = Counted(), list[str](), [0.0]

    def clocks(device: torch.device) -> tuple[float, float]:
        """A second passes from each look to the next, and two between the bare step and the training's next look."""
        now[0] += 1.0 + (method.steps % 2)
        return now[0], 10 * now[0]

    def train(overrides: Sequence[str], folder: Path, callbacks: Sequence[pl.Callback]) -> None:
        seen.extend(overrides)
        steps = next(int(word.partition("=")[2]) for word in overrides if word.startswith("trainer.max_steps="))
        batch = {"content": torch.ones(1, 2), "style": torch.ones(1, 2)}
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, max_steps=steps, callbacks=list(callbacks), default_root_dir=folder,
        )  # fmt: skip
        loader: Any = DataLoader([batch] * steps, batch_size=None)  # type: ignore[arg-type]
        trainer.fit(method, loader)

    monkeypatch.setattr(loop, "_clocks", clocks)
    rows = loop.measure_loop(train, 5, tmp_path, torch.device("cpu"))
    assert method.steps == 2 * 2 * (5 + 20)  # in both loops
    assert {"model.widths=[1,1,1]", "logger=csv", "trainer=cpu"} <= set(seen)
    found = {(row["contestant"], row["stage"]): (row["median_s"], row["rounds"]) for row in rows}
    assert found == {
        ("bare loop", "a step"): (1.0, 5),
        ("bare loop", "a step, processor time"): (10.0, 5),
        ("make train", "a step"): (2.0, 5),
        ("make train", "a step, processor time"): (20.0, 5),
        ("make train above the bare loop", "a step"): (1.0, 5),
        ("make train above the bare loop", "a step, processor time"): (10.0, 5),
        ("Lightning alone above the bare loop", "a step"): (1.0, 5),
        ("Lightning alone above the bare loop", "a step, processor time"): (10.0, 5),
    }
