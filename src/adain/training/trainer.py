"""Lightning's Trainer of a configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ProgressBar

from adain.runtime.errors import UserError
from adain.runtime.launched import launched_outside
from adain.training.checkpoint_io import WholeCheckpointIO
from adain.training.precision import settle_precision


def build_trainer(config: DictConfig, loggers: list[Any], callbacks: list[Any]) -> pl.Trainer:
    """Build the Trainer, with ``precision=auto`` settled for the device at hand.

    Raises:
        UserError: If the machine has not what is asked for.
    """
    if not config.trainer.enable_progress_bar:  # Lightning refuses a bar that it is told not to show
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    precision = config.trainer.precision
    if precision == "auto":
        on_gpu = torch.cuda.is_available() and config.trainer.accelerator in ("auto", "gpu", "cuda")
        precision = settle_precision(config.ckpt and Path(config.ckpt), "cuda" if on_gpu else "cpu")
    interval = config.trainer.val_check_interval * config.trainer.accumulate_grad_batches  # Lightning counts batches
    # Lightning would take any process inside a SLURM job for one of several that srun started.
    ours = launched_outside() is None or "ADAIN_RANKS" in os.environ
    try:
        trainer: pl.Trainer = instantiate(
            config.trainer, val_check_interval=interval, precision=precision, logger=loggers or False,
            callbacks=callbacks, _convert_="all",
            plugins=[WholeCheckpointIO(), *([LightningEnvironment()] if ours else [])],
        )  # fmt: skip
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            raise UserError(f"the trainer cannot be set up: {error.__cause__}; check the keys below trainer") from None
        raise
    return trainer
