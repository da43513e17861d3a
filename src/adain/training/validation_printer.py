"""Held-out losses in the terminal: a line at every validation, beside another decoder's."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from adain.data.picture import to_unit
from adain.methods.base import TrainedMethod
from adain.training.progress import say


class ValidationPrinter(pl.Callback):
    """Prints content and style loss of the held-out pairs at every validation, and lets the last step have one."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At the last step Lightning validates only if it is told to stop, or the interval says so."""
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        found = trainer.callback_metrics
        say(
            f"held-out  {label(trainer.global_step)}  content {found['val/content']:6.3f}  style {found['val/style']:6.3f}"
        )


def label(step: int) -> str:
    """``start`` or ``step N``, of one width."""
    return f"{f'step {step}' if step else 'start':<11}"


@torch.no_grad()
def held_out_losses(
    method: TrainedMethod, decoder: nn.Module, loader: DataLoader[Any], device: torch.device
) -> tuple[float, float]:
    """Return the mean content and style loss of another decoder, in place of a method's own, under the method's losses."""
    own, method.decoder = method.decoder, decoder.to(device)
    content = style = count = 0.0
    try:
        for batch in loader:
            size = len(batch["content"])
            terms, _ = method.losses(to_unit(batch["content"].to(device)), to_unit(batch["style"].to(device)))
            content += size * float(terms["content"])
            style += size * sum(float(term) for name, term in terms.items() if name.startswith("style/"))
            count += size
    finally:
        method.decoder = own
    return content / count, style / count
