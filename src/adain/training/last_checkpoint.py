"""A checkpoint from which the run goes on exactly, whatever ends it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from adain.runtime.errors import UserError
from adain.runtime.schema import Count
from adain.runtime.signals import SignalHandlers
from adain.training.progress import say


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` every few steps, at the end, and when the run is told to stop.

    What is written before a validation, for that may fail, is written again after it: only then is it known whether the
    step is the best. A run that was cut between the two makes up for the validation when it goes on. The last step is
    written after its validation only: a run without steps left to train could not make up for it. As a ``Checkpoint`` this
    comes after the other callbacks, and after those given before it.

    SIGTERM, SIGHUP and SIGINT (Ctrl-C) let the step in progress end, so the checkpoint is always of a whole step; a second
    Ctrl-C ends the run at once. Files appear whole or not at all. Of several ranks it is enough that one is told. So does
    SIGUSR2 where submitit listens to it, which then queues the job again.

    Args:
        folder: Where ``last.ckpt`` goes.
        every_n_steps: Optimizer steps between two writes.

    Attributes:
        received: The signal that ended the run, if one did.
    """

    def __init__(self, folder: str, every_n_steps: Count) -> None:
        self.path, self.every_n_steps = Path(folder) / "last.ckpt", every_n_steps
        self.received: signal.Signals | None = None
        self._saved_at = -1
        self._validated_at: int | None = None  # None: unknown, a checkpoint of version 0.1
        self._handlers: SignalHandlers | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the step of the last validation."""
        return {"validated_at": self._validated_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Recall the step of the last validation."""
        self._validated_at = state_dict["validated_at"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hear the signals, in place of Lightning, which would stop inside a step. Make up for a validation."""
        step = self._saved_at = trainer.global_step
        self.path = trainer.strategy.broadcast(self.path)  # the folder of rank 0
        self._handlers = SignalHandlers(self._receive)
        if step and self._validated_at is not None and self._validated_at < step and _is_due(trainer):
            _validate(trainer)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is due, and stop if told to. A step of several batches is not cut between them."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if trainer.world_size > 1:  # all stop after the same step
            told = torch.tensor(int(self.received or 0), device=pl_module.device)
            most = int(trainer.strategy.reduce(told, reduce_op="max"))
            self.received = signal.Signals(most) if most else None
        last = step == trainer.max_steps and trainer.enable_validation
        if self.received is not None:
            say(f"{self.received.name} at step {step}: writing {self.path} and stopping")
            trainer.should_stop = True
            if not last:
                trainer.limit_val_batches = 0  # a scheduler kills soon: the validation is made up for later
        if not last and (self.received is not None or step % self.every_n_steps == 0):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save again what was saved before a validation that the interval asked for."""
        step = self._validated_at = trainer.global_step
        if trainer.state.fn == TrainerFn.FITTING and step in (self._saved_at, trainer.max_steps) and _is_due(trainer):
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last step, unless it is saved."""
        if trainer.global_step != self._saved_at:
            self._save(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        if self._handlers is not None:
            self._handlers.restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back: Lightning tears no callback down then, and the next job of a sweep must hear them."""
        self.teardown(trainer, pl_module, "fit")

    def _save(self, trainer: pl.Trainer) -> None:
        save_checkpoint(trainer, self.path)
        self._saved_at = trainer.global_step


class FirstStep(pl.Callback):
    """Calls a function once, on rank 0, when the first optimizer step of this process is done."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then
        self._start = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the step that a resumed run begins with."""
        self._start = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call the function."""
        if self._then is not None and trainer.global_step > self._start:
            if trainer.is_global_zero:
                self._then()
            self._then = None


def _is_due(trainer: pl.Trainer) -> bool:
    """Return whether the interval asks for a validation at this step.

    Going on from there, Lightning counts the step as logged if it finds that it need not validate again, so the two kinds of
    validation are saved at different moments: else logged steps were one off from there on.
    """
    every = trainer.val_check_batch  # a whole number: our intervals are in steps
    return isinstance(every, int) and trainer.global_step * trainer.accumulate_grad_batches % every == 0


def _validate(trainer: pl.Trainer) -> None:
    """Run a validation before the next step, as Lightning's training loop runs one between two steps."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    loop.restarting = False  # the whole of it
    trainer.validating = True
    loop.run()
    trainer.training = True


def save_checkpoint(trainer: pl.Trainer, path: Path) -> None:
    """Write a checkpoint under another name and move it into place.

    Raises:
        UserError: If the disk is full or the folder may not be written. The file that was there stays as it was.
    """
    part = path.with_suffix(".part")
    try:
        trainer.save_checkpoint(part)  # on every rank: the strategy knows which of them writes
        if trainer.is_global_zero:
            if path.is_dir():  # DeepSpeed's checkpoints are folders, which cannot be renamed onto each other
                shutil.rmtree(path)
            part.replace(path)
    except OSError as error:
        if trainer.is_global_zero:
            part.unlink(missing_ok=True)
        next_step = (
            f"the one of an earlier step is still at {path}; free some disk space and continue with ckpt=last"
            if path.exists()
            else "there is none of an earlier step; free some disk space and start again"
        )
        raise UserError(
            f"the checkpoint of step {trainer.global_step} could not be written ({error.strerror or error}): {next_step}"
        ) from None
