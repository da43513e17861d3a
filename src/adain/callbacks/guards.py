"""What must not pass unseen: a loss that is no number, pictures that could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from adain.callbacks.progress import say
from adain.errors import UserError


class FiniteLoss(pl.Callback):
    """Stops the run at a non-finite loss, before it reaches the weights."""

    def __init__(self) -> None:
        self._batch: Any = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remembers what the loss will be of."""
        self._batch = batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Looks at the loss.

        Raises:
            UserError: If it is infinite or no number; with the step, the pictures and the last good checkpoint.
        """
        if torch.isfinite(loss):
            return
        names = [f"{c} with {s}" for c, s in zip(self._batch["content_name"], self._batch["style_name"], strict=True)]
        kept = sorted(Path(trainer.default_root_dir).glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
        raise UserError(
            f"the loss is {loss.item()} at step {trainer.global_step} on the batch {'; '.join(names)}: {last}; lower "
            "optim.lr or use trainer.precision=32-true, and look at these pictures"
        )


class SkippedPictures(pl.Callback):
    """Counts unreadable pictures that the loader passed over, and lists each once in ``skipped.txt``.

    Args:
        folder: Where the list is written.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "skipped.txt"
        self.seen: set[str] = set()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds what is new."""
        self._add(batch["skipped"])
        if batch["skipped"]:
            pl_module.log("data/skipped", float(len(self.seen)), batch_size=1)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Adds those passed over in choosing the held-out pictures."""
        self._add(batch["skipped"])

    def _add(self, lines: list[str]) -> None:
        for line in lines:
            if line not in self.seen:
                self.seen.add(line)
                say(f"skipped the picture {line}")
                with self.path.open("a") as file:
                    file.write(line + "\n")
