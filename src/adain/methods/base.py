"""What the trained methods share: their step's bookkeeping, their optimizer, whose checkpoint it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard

from adain.data.pairs import Batch, StyleTransferDataModule
from adain.functional.losses import weighted_total
from adain.methods.interface import CAPABILITIES, Capabilities
from adain.methods.optimizers import OptimizerFactory, adam
from adain.runtime.errors import InputError
from adain.runtime.schema import EncoderName, MethodName

CropSampler = Callable[[int], tuple[Tensor, Tensor]]
"""Returns so many content and style crops in [0, 1]: ``StyleTransferDataModule.sample_crops``."""


class TrainedMethod(pl.LightningModule):
    """A method with weights to train.

    It states ``method`` and ``weights``, and writes ``init_weights`` and ``losses``. ``capabilities``, ``ablation``,
    ``configure_data`` and ``incomparable`` are there to be overridden.

    Every parameter is trained.

    Args:
        optimizer: Makes the optimizer, as a configuration's ``_partial_``. Not a hyper-parameter, so that a checkpoint holds
            plain values only; a resumed run makes it anew from its configuration.

    Attributes:
        method: Its name.
        weights: Of the loss terms, by name.
    """

    method: MethodName
    weights: dict[str, float]

    def __init__(self, optimizer: OptimizerFactory | None = None) -> None:
        super().__init__()
        self.optimizer = optimizer or adam
        self._last_step: tuple[Tensor, dict[str, Tensor]] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """Return what this network can do: an ablation may do less than its system."""
        return CAPABILITIES[self.method]

    @property
    def ablation(self) -> bool:
        """Return whether this network is a variant of its system that is trained for comparison only."""
        return False

    def configure_data(self, datamodule: StyleTransferDataModule) -> None:
        """Give the data what this method needs of it, before it is set up."""

    def init_weights(self, sample_crops: CropSampler) -> None:
        """Start the weights of a new run.

        Args:
            sample_crops: Source of training crops, for a start that is fitted to them.
        """
        raise NotImplementedError

    def incomparable(self, encoder: EncoderName) -> str | None:
        """Return why an AdaIN decoder for this encoder cannot be measured by this method's losses; None if it can."""
        return "it decodes what AdaIN makes, not what this method does"

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the named loss terms, unweighted, and the output pictures, not clamped."""
        raise NotImplementedError

    def configure_model(self) -> None:
        """Under ``strategy=fsdp`` a network's weights are cut into shares, as one unit: 14 MB are one message."""
        if self.device_mesh is None:
            return
        for network in self.children():
            if not isinstance(network, FSDPModule) and any(True for _ in network.parameters()):
                fully_shard(network, mesh=self.device_mesh["data_parallel"])

    # --- steps ------------------------------------------------------------------------------------------------------

    def objective(self, content: Tensor, style: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss that is minimized, and the terms that it is made of, without gradients; see ``losses``."""
        terms, _ = self.losses(content, style)
        return weighted_total(terms, self.weights), {name: term.detach() for name, term in terms.items()}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch. What it is made of is logged after the step, where it is due."""
        loss, terms = self.objective(batch["content"], batch["style"])
        self._last_step = loss.detach(), {name: term.detach() for name, term in terms.items()}
        return loss

    def last_losses(self) -> dict[str, Tensor]:
        """Return this process's losses of the last training step as they are logged; empty before the first.

        They are still on the device: reading one waits for the step.
        """
        return {} if self._last_step is None else named_losses("train", *self._last_step)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Log the step's losses if Lightning writes this step, or if a validation follows: it shows the newest ones.

        Lightning's ``log`` costs as much as a small step, so it is called no oftener than its values are read.
        """
        trainer = self.trainer
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        connector, every = trainer._logger_connector, trainer.val_check_batch
        validates = isinstance(every, int) and trainer.global_step * trainer.accumulate_grad_batches % every == 0
        if not (connector.should_update_logs or validates):
            return
        shown = self.last_losses()
        if trainer.world_size > 1:  # one message for all terms
            means = trainer.strategy.reduce(torch.stack(list(shown.values())), reduce_op="mean")
            shown = dict(zip(shown, means.unbind(), strict=True))
        self.log_dict(shown, on_step=True, on_epoch=False, batch_size=len(batch["content"]))

    def _measure(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        terms, output = self.losses(batch["content"], batch["style"])
        shown = named_losses(stage, weighted_total(terms, self.weights), terms)
        self.log_dict(shown, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(output))
        return {"output": output, **shown}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the same losses on held-out pairs, and the pictures for whoever shows them."""
        return self._measure(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As ``validation_step``."""
        return self._measure(batch, "test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the configured optimizer over all parameters, and its schedule."""
        batch = int(getattr(getattr(self.trainer, "datamodule", None), "batch_size", 1))
        batch *= self.trainer.accumulate_grad_batches * self.trainer.world_size
        configured = self.optimizer(
            self.parameters(), steps=max(1, int(self.trainer.estimated_stepping_batches)), batch=batch
        )
        return cast(OptimizerLRScheduler, configured)

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint it is."""
        checkpoint["method"] = self.method

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse another method's checkpoint."""
        if (method := checkpoint.get("method")) != self.method:
            raise InputError(
                f"the checkpoint is of {method}, but {self.method} is to load it: give one of {self.method}"
            )


def named_losses(stage: str, loss: Tensor, terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the losses of a step under the names that they are logged by: each term, the style's sum, and the loss."""
    shown = {f"{stage}/{name.replace('/', '_')}": term for name, term in terms.items()}
    shown[f"{stage}/style"] = torch.stack([term for name, term in terms.items() if name.startswith("style/")]).sum()
    return {**shown, f"{stage}/loss": loss}


def check_words(**given: tuple[str, Any]) -> None:
    """Check words against the ``Literal`` they are typed with.

    Raises:
        InputError: At the first that is not among them.
    """
    for name, (value, allowed) in given.items():
        if value not in get_args(allowed):
            raise InputError(f"{name}={value!r} is unknown: choose one of {', '.join(get_args(allowed))}")
