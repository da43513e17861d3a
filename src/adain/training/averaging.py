"""An exponential moving average of the weights, which is what validations measure and checkpoints hold."""

from __future__ import annotations

import warnings
from typing import Annotated

import pytorch_lightning as pl
from annotated_types import Ge, Lt
from pytorch_lightning.callbacks import EMAWeightAveraging
from pytorch_lightning.strategies import DeepSpeedStrategy, ModelParallelStrategy

from adain.runtime.errors import InputError


class AverageWeights(EMAWeightAveraging):
    """Lightning's average, of the trained weights alone.

    A checkpoint's ``state_dict`` is the average; its ``current_model_state`` is what a resumed run continues with.

    Args:
        decay: What is left of the old average after a step.
    """

    def __init__(self, decay: Annotated[float, Ge(0), Lt(1)]) -> None:
        super().__init__(use_buffers=False, decay=decay)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Copy the model.

        Raises:
            InputError: If the strategy cuts the weights into shares.
        """
        if isinstance(trainer.strategy, ModelParallelStrategy | DeepSpeedStrategy):
            raise InputError(
                "an average needs whole weights on each device, which this strategy cuts into shares: use ddp, or one device"
            )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*configure_model")  # ours does nothing under other strategies
            super().setup(trainer, pl_module, stage)
