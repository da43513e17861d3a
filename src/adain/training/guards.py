"""What must not pass unseen: a loss that is no number, pictures that could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from adain.runtime.errors import UserError
from adain.runtime.files import relative
from adain.training.progress import say


class NonFiniteGuard(pl.Callback):
    """Stops the run at a non-finite loss, before it reaches the weights."""

    def __init__(self) -> None:
        self._batch: Any = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember what the loss will be of."""
        self._batch = batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Check the loss.

        Raises:
            UserError: If it is infinite or no number; with the step, the pictures and the last good checkpoint.
        """
        if trainer.strategy.reduce_boolean_decision(bool(torch.isfinite(loss))):
            return
        message = self._message(trainer, loss) if not torch.isfinite(loss) else None
        if trainer.world_size > 1:  # every rank stops, with the words of the one whose loss it was
            messages: list[str | None] = [None] * trainer.world_size
            torch.distributed.all_gather_object(messages, message)
            message = next(filter(None, messages))
        say("")  # the bar stays above
        raise UserError(str(message))

    def _message(self, trainer: pl.Trainer, loss: Tensor) -> str:
        names = [f"{c} with {s}" for c, s in zip(self._batch["content_name"], self._batch["style_name"], strict=True)]
        kept = sorted(Path(trainer.default_root_dir).glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
        return (
            f"the loss is {loss.item()} at step {trainer.global_step} on the batch {'; '.join(names)}: {last}; lower "
            "optimizer.lr or use trainer.precision=32-true, and look at these pictures"
        )


class SkippedPictures(pl.Callback):
    """Counts unreadable pictures that the loader passed over, and lists each once in ``skipped.txt``.

    Args:
        folder: Where the list is written.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "skipped.txt"
        self.seen: set[str] = set()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """All ranks write to the file of the first."""
        self.path = trainer.strategy.broadcast(self.path)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add what is new."""
        self._add(batch["skipped"])
        if batch["skipped"]:
            pl_module.log("data/skipped", float(len(self.seen)), batch_size=1)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Add those passed over in choosing the held-out pictures."""
        self._add(batch["skipped"])

    def closing_line(self) -> str | None:
        """Return how many there were, and where they are listed."""
        return (
            f"skipped       {len(self.seen)} unreadable pictures, listed in {relative(self.path)}"
            if self.seen
            else None
        )

    def _add(self, lines: list[str]) -> None:
        for line in lines:
            if line not in self.seen:
                self.seen.add(line)
                say(f"skipped the picture {line}")
                self.path.parent.mkdir(parents=True, exist_ok=True)  # another machine's disk
                with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(line + "\n")
