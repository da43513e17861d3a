"""The training step as a CUDA graph: where it may be one, and what is said where it may not."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.strategies import SingleDeviceStrategy

from adain.methods.base import TrainedMethod
from adain.runtime.graphs import CAPTURES, graphed
from adain.runtime.schema import CudaGraph
from adain.training.progress import say


def use_cuda_graph(method: TrainedMethod, trainer: pl.Trainer, asked: CudaGraph | bool, compiled: bool) -> None:
    """Let a method's forward and backward pass be recorded at the first step and replayed from then on.

    The optimizer, clipping, logging and everything else stays outside, as Lightning does it.

    Args:
        method: Its ``objective`` is replaced.
        trainer: Of the run.
        asked: ``auto``: on a GPU, where it is possible; true: say it where it is not; false: never.
        compiled: Whether the losses go through torch.compile, which may make graphs of its own.
    """
    if asked is False:
        return
    device = trainer.strategy.root_device
    if reason := _obstacle(trainer, compiled):
        if asked is True or device.type in CAPTURES:
            _say(reason)
        return
    method.objective = graphed(method.objective, method, device, _say)  # type: ignore[method-assign]


def _obstacle(trainer: pl.Trainer, compiled: bool) -> str | None:
    """Return why a run's step cannot be recorded; None if it can."""
    if (kind := trainer.strategy.root_device.type) not in CAPTURES:
        return f"the run is on {kind}"
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        return "several devices exchange gradients in the backward pass"
    if trainer.accumulate_grad_batches > 1:
        return f"trainer.accumulate_grad_batches={trainer.accumulate_grad_batches} adds up gradients of several passes"
    return "compile=true makes what it needs itself" if compiled else None


def _say(reason: str) -> None:
    say(f"cuda_graph: not used ({reason}); only the speed changes")
