"""``summary.json`` of a training whose held-out losses are given."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adain.training.run_summary import RunSummary


class Told(pl.LightningModule):
    """Its loss is what it is told, one value a validation."""

    method, ablation = "adain", False

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.layer, self.told = nn.Linear(1, 1), iter(losses)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss: Tensor = self.layer(batch).sum()
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val/loss", next(self.told))

    def last_losses(self) -> dict[str, Tensor]:
        return {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def summary(folder: Path, losses: list[float], mode: str = "min", ckpt: str | None = None, end: int = 0) -> Any:
    """Of a training with a validation and a checkpoint at every step, which may go on from one of them."""
    callbacks = [
        RunSummary(str(folder), {"metric": "val/loss", "mode": mode}),
        ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1, save_on_train_epoch_end=False),
    ]
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=end or len(losses), val_check_interval=1, num_sanity_val_steps=0,
        callbacks=callbacks, logger=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    data = DataLoader(torch.ones(8, 1))
    trainer.fit(Told(losses), data, DataLoader(torch.ones(1, 1)), ckpt_path=ckpt and str(folder / ckpt))
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize(
    ("losses", "mode", "best"),
    [
        ([3.0, 1.0, 2.0], "min", 2),
        ([1.0, 3.0, 2.0], "max", 2),
        ([math.nan, 2.0, 1.0, 3.0, math.nan], "min", 3),
        ([math.nan, 2.0, 3.0, 1.0, math.inf], "max", 3),
    ],
)
def test_best_is_the_best_validation_that_is_a_number(
    losses: list[float], mode: str, best: int, tmp_path: Path
) -> None:
    found = summary(tmp_path, losses, mode)
    assert [row["step"] for row in found["history"]] == list(range(1, len(losses) + 1))
    assert found["best"] == {"step": best, "val/loss": losses[best - 1]}
    assert found["final"]["step"] == len(losses)


def test_going_on_from_an_earlier_checkpoint_forgets_what_came_after_it(tmp_path: Path) -> None:
    """Else the best could be of weights that the run has no longer."""
    before = summary(tmp_path, [4.0, 3.0, 1.0, 2.0])
    assert before["best"]["step"] == 3
    found = summary(tmp_path, [5.0], ckpt="step=2.ckpt", end=3)
    assert [(row["step"], row["val/loss"]) for row in found["history"]] == [(1, 4.0), (2, 3.0), (3, 5.0)]
    assert found["best"] == {"step": 2, "val/loss": 3.0}
