from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from adain.runtime.errors import UserError
from adain.training.guards import NonFiniteGuard, SkippedPictures


class Breaking(pl.LightningModule):
    """Its loss is no number at the third step."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight, self.value = torch.nn.Parameter(torch.ones(1)), value

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.weight.sum() * (self.value if batch_idx == 2 else 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.25)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kept", [None, "last.ckpt"])
def test_a_loss_that_is_no_number_stops_the_run_before_it_reaches_the_weights(
    value: float, kept: str | None, tmp_path: Path
) -> None:
    said = "there is no checkpoint yet"
    if kept:
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / kept).touch()
        said = f"the last good checkpoint is {tmp_path / 'checkpoints' / kept}"
    module, batches = Breaking(value), [{"content_name": [f"{i}.jpg"], "style_name": [f"{i}.png"]} for i in range(5)]
    trainer = pl.Trainer(
        max_steps=5, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, callbacks=[NonFiniteGuard()],
    )  # fmt: skip
    with pytest.raises(UserError, match=rf"the loss is {value} at step 2 on the batch 2.jpg with 2.png: {said}; lower"):
        trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    assert module.weight.item() == 0.5


def test_each_skipped_picture_is_listed_once(tmp_path: Path) -> None:
    skipped = SkippedPictures(str(tmp_path))
    module: Any = SimpleNamespace(log=lambda *args, **kwargs: None)
    for _ in range(3):
        skipped.on_train_batch_end(None, module, None, {"skipped": ["x.jpg: empty", "caf\udce9.jpg: truncated"]}, 0)  # type: ignore[arg-type]
    assert (tmp_path / "skipped.txt").read_text("utf-8", "surrogateescape").splitlines() == [
        "x.jpg: empty",
        "caf\udce9.jpg: truncated",
    ]
