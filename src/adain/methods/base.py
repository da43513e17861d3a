"""What the trained methods share: their step's bookkeeping, their optimiser, whose checkpoint it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard

from adain.data.pairs import Batch
from adain.functional.losses import weighted_total
from adain.methods.muon import Muon
from adain.runtime.errors import UserError
from adain.runtime.schema import LearningRateScaling, MethodName, Optimiser, Schedule

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Gives so many content and style crops in [0, 1]: ``StyleTransferDataModule.draw``."""


class TrainedMethod(pl.LightningModule):
    """A method with weights to train. It states ``method`` and ``weights``, and writes ``initialise`` and ``losses``.

    Every parameter is trained, with the method's own arguments (its ``hparams``):

    * ``optimizer``: ``adam``, the paper's, or ``muon``, which needs far fewer steps from a least-squares start.
    * ``lr``: Adam's learning rate, or Muon's relative step (see ``muon.Muon``).
    * ``scale_lr``: Multiply both rates by the global batch over ``lr_batch`` (``linear``) or its square root (``sqrt``);
      ``lr_batch`` is the data module's ``batch_size`` if None.
    * ``bias_lr``: Adam's rate for the biases under Muon. ``momentum``: Muon's. ``betas``: Adam's decay rates.
    * ``schedule``: ``constant``; ``inverse_time``, lr / (1 + lr_decay step); ``linear`` or ``cosine``, to 0 at the end.
    * ``warmup_steps``: Steps of linear warm-up before any schedule.

    Attributes:
        method: Its name.
        weights: Of the loss terms, by name.
    """

    method: MethodName
    weights: dict[str, float]

    def initialise(self, draw: Draw) -> None:
        """Gives a new run's weights their start."""
        raise NotImplementedError

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The named loss terms, unweighted, and the output pictures, not clamped."""
        raise NotImplementedError

    def configure_model(self) -> None:
        """Under ``strategy=fsdp`` a network's weights are cut into shares, as one unit: 14 MB are one message."""
        if self.device_mesh is None:
            return
        for network in self.children():
            if not isinstance(network, FSDPModule) and any(True for _ in network.parameters()):
                fully_shard(network, mesh=self.device_mesh["data_parallel"])

    # --- steps ------------------------------------------------------------------------------------------------------

    def _step(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        terms, output = self.losses(batch["content"], batch["style"])
        loss = weighted_total(terms, self.weights)
        shown = {f"{stage}/{name.replace('/', '_')}": term.detach() for name, term in terms.items()}
        styles = [term.detach() for name, term in terms.items() if name.startswith("style/")]
        shown[f"{stage}/style"] = torch.stack(styles).sum()
        shown[f"{stage}/loss"] = loss.detach()
        training = stage == "train"
        if training and self._trainer is not None and self._trainer.world_size > 1:  # one message for all terms
            means = self._trainer.strategy.reduce(torch.stack(list(shown.values())), reduce_op="mean")
            shown = dict(zip(shown, means.unbind(), strict=True))
        self.log_dict(shown, on_step=training, on_epoch=not training, sync_dist=not training, batch_size=len(output))
        return {"loss": loss, "output": output.detach(), **shown}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step on a batch; see ``losses``."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The same losses on held-out pairs, and the pictures for whoever shows them."""
        return self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As ``validation_step``."""
        return self._step(batch, "test")

    # --- optimiser --------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam or Muon over all parameters, the rate set at every step."""
        hparams = self.hparams
        check_words(
            optimizer=(hparams["optimizer"], Optimiser),
            scale_lr=(hparams["scale_lr"], LearningRateScaling),
            schedule=(hparams["schedule"], Schedule),
        )
        scale = self._lr_scale()
        optimiser: torch.optim.Optimizer
        if hparams["optimizer"] == "muon":
            rates = scale * hparams["lr"], scale * hparams["bias_lr"]
            optimiser = Muon(self.parameters(), *rates, hparams["momentum"], tuple(hparams["betas"]))
        else:
            # on a CPU one pass over the weights in place of several
            fused = True if self.device.type == "cpu" else None
            optimiser = torch.optim.Adam(
                self.parameters(), lr=scale * hparams["lr"], betas=tuple(hparams["betas"]), fused=fused
            )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, self._lr_factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _lr_scale(self) -> float:
        """What the rates are multiplied by, now that the number of ranks is known."""
        if self.hparams["scale_lr"] == "none":
            return 1.0
        batch: int = self.trainer.datamodule.batch_size  # type: ignore[attr-defined]  # Lightning attaches it
        whole = batch * self.trainer.accumulate_grad_batches * self.trainer.world_size
        return lr_scale(self.hparams["scale_lr"], whole, self.hparams["lr_batch"] or batch)

    def _lr_factor(self, step: int) -> float:
        hparams, total = self.hparams, max(1, int(self.trainer.estimated_stepping_batches))
        warmup = min(1.0, (step + 1) / (hparams["warmup_steps"] + 1))
        factor: float = warmup * lr_factor(hparams["schedule"], step, total, hparams["lr_decay"])
        return factor

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Says whose checkpoint it is."""
        checkpoint["method"] = self.method

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses another method's checkpoint."""
        if (method := checkpoint.get("method")) != self.method:
            raise UserError(
                f"the checkpoint is of method {method!r}, but method={self.method} is given: give the one it belongs to"
            )


def check_words(**given: tuple[str, Any]) -> None:
    """Holds words against the ``Literal`` they are typed with.

    Raises:
        UserError: At the first that is not among them.
    """
    for name, (value, allowed) in given.items():
        if value not in get_args(allowed):
            raise UserError(f"{name}={value!r} is unknown: choose one of {', '.join(get_args(allowed))}")


def lr_scale(rule: LearningRateScaling, batch: int, reference: int) -> float:
    """By how much the learning rate grows with the batch.

    Args:
        rule: ``none``; ``linear``, Goyal et al. 2017, meant for plain gradient steps; ``sqrt``, Krizhevsky 2014, the
            usual rule for Adam (Malladi et al. 2022).
        batch: Pairs in an optimiser step, over all ranks.
        reference: Pairs that the rate is meant for.
    """
    ratio = batch / reference
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[rule]


def lr_factor(schedule: Schedule, step: int, total: int, decay: float) -> float:
    """The learning rate at a step as a share of the first.

    Args:
        schedule: See ``TrainedMethod``.
        step: From 0.
        total: Steps of the whole run.
        decay: For ``inverse_time``; the paper's 5e-5.
    """
    left = max(0.0, 1 - step / total)
    if schedule == "inverse_time":
        return 1 / (1 + decay * step)
    if schedule == "linear":
        return left
    if schedule == "cosine":
        return float(0.5 - 0.5 * torch.cos(torch.tensor(torch.pi * left)))
    return 1.0
