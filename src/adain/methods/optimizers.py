"""Optimizers with their learning-rate schedule: a configuration fills one in, and the LightningModule calls it.

Both set the rate at every step, as a share of the first one (see ``lr_factor``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch.nn import Parameter

from adain.methods.muon import Muon
from adain.runtime.schema import Betas, Count, LearningRateScaling, Rate, Schedule, Share, Weight, Whole


class OptimizerFactory(Protocol):
    """What a LightningModule is given: ``adam`` or ``muon`` with everything but these arguments filled in."""

    def __call__(self, parameters: Iterable[Parameter], *, steps: int, batch: int) -> dict[str, Any]:
        """Return what ``configure_optimizers`` returns.

        Args:
            parameters: What is trained.
            steps: Of the whole run.
            batch: Pairs in a step, over all ranks.
        """
        ...


def adam(
    parameters: Iterable[Parameter],
    *,
    steps: int,
    batch: int,
    lr: Rate = 1e-4,
    bias_lr: Rate | None = None,
    betas: Betas = (0.9, 0.999),
    schedule: Schedule = "inverse_time",
    lr_decay: Weight = 5e-5,
    warmup_steps: Whole = 0,
    scale_lr: LearningRateScaling = "none",
    lr_batch: Count | None = None,
) -> dict[str, Any]:
    """Adam, the paper's.

    Args:
        parameters: What is trained.
        steps: Of the whole run.
        batch: Pairs in a step, over all ranks.
        lr: The rate.
        bias_lr: The rate of the biases; None: ``lr``.
        betas: Decay rates of the moments.
        schedule: See ``lr_factor``.
        lr_decay: Of ``inverse_time``.
        warmup_steps: Steps of linear warm-up before any schedule.
        scale_lr: How the rate grows with the batch; see ``lr_scale``.
        lr_batch: The batch that ``lr`` is meant for; needed where it is scaled.

    Returns:
        Optimizer and scheduler, as Lightning takes them.
    """
    given = list(parameters)
    scale = lr_scale(scale_lr, batch, lr_batch)
    groups: list[dict[str, Any]] = [{"params": given}]
    if bias_lr is not None:
        groups = [
            {"params": [p for p in given if p.ndim > 1]},
            {"params": [p for p in given if p.ndim <= 1], "lr": scale * bias_lr},
        ]
    fused = given[0].device.type in ("cpu", "cuda")  # one pass over the weights in place of several
    optimizer = torch.optim.Adam(groups, lr=scale * lr, betas=(betas[0], betas[1]), fused=True if fused else None)
    # Lightning refuses to clip gradients that an optimizer might unscale itself: a fused one does only if told that it may.
    optimizer._step_supports_amp_scaling = False
    return _scheduled(optimizer, schedule, steps, lr_decay, warmup_steps)


def muon(
    parameters: Iterable[Parameter],
    *,
    steps: int,
    batch: int,
    lr: Rate = 8e-4,
    bias_lr: Rate = 1e-3,
    momentum: Share = 0.9,
    betas: Betas = (0.9, 0.999),
    schedule: Schedule = "linear",
    lr_decay: Weight = 5e-5,
    warmup_steps: Whole = 5,
    scale_lr: LearningRateScaling = "none",
    lr_batch: Count | None = None,
) -> dict[str, Any]:
    """Muon, which needs far fewer steps from a least-squares start.

    Args:
        parameters: What is trained.
        steps: Of the whole run.
        batch: Pairs in a step, over all ranks.
        lr: The share by which a layer's weights change in a step; see ``Muon``.
        bias_lr: Adam's rate for the biases.
        momentum: Of the layers.
        betas: Adam's decay rates, for the biases.
        schedule: See ``lr_factor``.
        lr_decay: Of ``inverse_time``.
        warmup_steps: Steps of linear warm-up before any schedule.
        scale_lr: How both rates grow with the batch; see ``lr_scale``.
        lr_batch: The batch that the rates are meant for; needed where they are scaled.

    Returns:
        Optimizer and scheduler, as Lightning takes them.
    """
    scale = lr_scale(scale_lr, batch, lr_batch)
    optimizer = Muon(parameters, scale * lr, scale * bias_lr, momentum, (betas[0], betas[1]))
    return _scheduled(optimizer, schedule, steps, lr_decay, warmup_steps)


def _scheduled(
    optimizer: torch.optim.Optimizer, schedule: Schedule, steps: int, decay: float, warmup: int
) -> dict[str, Any]:
    def factor(step: int) -> float:
        return min(1.0, (step + 1) / (warmup + 1)) * lr_factor(schedule, step, steps, decay)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def lr_scale(rule: LearningRateScaling, batch: int, reference: int | None) -> float:
    """Return by how much the learning rate grows with the batch.

    Args:
        rule: ``none``; ``linear``, Goyal et al. 2017, meant for plain gradient steps; ``sqrt``, Krizhevsky 2014, the
            usual rule for Adam (Malladi et al. 2022).
        batch: Pairs in an optimizer step, over all ranks.
        reference: Pairs that the rate is meant for.

    Raises:
        ValueError: If it is missing.
    """
    if rule == "none":
        return 1.0
    if reference is None:
        raise ValueError(f"scale_lr={rule} needs lr_batch, the batch that the rate is meant for")
    return batch / reference if rule == "linear" else math.sqrt(batch / reference)


def lr_factor(schedule: Schedule, step: int, total: int, decay: float) -> float:
    """Return the learning rate at a step as a share of the first.

    Args:
        schedule: ``constant``; ``inverse_time``, 1 / (1 + decay step); ``linear`` or ``cosine``, to 0 at the end.
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
