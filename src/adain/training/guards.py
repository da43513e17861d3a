"""What must not pass unseen: a loss that is not a number, pictures that could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from adain.runtime.errors import UserError
from adain.runtime.files import relative
from adain.runtime.schema import Count
from adain.training.progress import say

_MOST_UNREAD = 100  # steps, where a run logs less often


class NonFiniteGuard(pl.Callback):
    """Stops the run at a non-finite loss, before a checkpoint holds what it made of the weights.

    Looking at a number on a GPU makes the processor wait for all that the GPU still has to do. So the losses stay there, and
    are read together: every few steps, and before each validation and checkpoint. Weights that a bad step has spoiled in
    the meantime are never written. A CPU computes while it is asked, so there the loss is read at once, before its gradient
    reaches the weights.

    Args:
        every_n_steps: How many optimizer steps are read together; None: one on a CPU, ``trainer.log_every_n_steps`` on a GPU.
    """

    def __init__(self, every_n_steps: Count | None = None) -> None:
        self.every_n_steps = every_n_steps
        self._every = 1
        self._batch: Any = None
        self._unread: list[tuple[int, Any, Tensor]] = []  # the step, its batch's names, the loss

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Decide how many steps are read together."""
        on_cpu = trainer.strategy.root_device.type == "cpu"
        # set by a connector; 0 logs nothing
        logged = min(max(1, trainer.log_every_n_steps), _MOST_UNREAD)  # type: ignore[attr-defined]
        self._every, self._unread = self.every_n_steps or (1 if on_cpu else logged), []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember what the loss will be of."""
        self._batch = batch["content_name"], batch["style_name"]

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Keep the loss, and read it if it is to be read alone.

        Raises:
            UserError: If it is infinite or no number; with the step, the pictures and the last good checkpoint.
        """
        self._unread.append((trainer.global_step, self._batch, loss.detach()))
        if self._every == 1:
            self._read(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the losses where Lightning's loggers read them too."""
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if whole and trainer.global_step % self._every == 0:
            self._read(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the losses: figures and pictures of spoiled weights would be worth nothing."""
        self._read(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Read the losses before any checkpoint is written, whoever asks for it."""
        self._read(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read what is left."""
        self._read(trainer)

    def _read(self, trainer: pl.Trainer) -> None:
        unread, self._unread = self._unread, []
        if not unread:  # on no rank then: all make the same steps
            return
        losses = [loss for _, _, loss in unread]
        finite = torch.isfinite(torch.stack(losses) if len(losses) > 1 else losses[0][None])
        if trainer.strategy.reduce_boolean_decision(bool(finite.all())):
            return
        bad = None if finite.all() else unread[int(finite.int().argmin())]
        found = None if bad is None else (bad[0], self._message(trainer, *bad))
        if trainer.world_size > 1:  # every rank stops, with the words of the one whose loss it was first
            every: list[tuple[int, str] | None] = [None] * trainer.world_size
            torch.distributed.all_gather_object(every, found)
            found = min(filter(None, every))
        assert found is not None
        say("")  # the bar stays above
        raise UserError(found[1])

    def _message(self, trainer: pl.Trainer, step: int, batch: Any, loss: Tensor) -> str:
        names = [f"{content} with {style}" for content, style in zip(*batch, strict=True)]
        kept = sorted(Path(trainer.default_root_dir).glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
        return (
            f"the loss is {loss.item()} at step {step} on the batch {'; '.join(names)}: {last}; lower "
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
