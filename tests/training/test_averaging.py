"""Where weights are averaged, and where not. What the average does to a run is in ``test_resume``."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl
from pytorch_lightning.strategies import SingleDeviceStrategy

from adain.runtime.errors import InputError
from adain.training.averaging import AverageWeights
from adain.training.sharding import FSDP


class Module(pl.LightningModule):
    def configure_model(self) -> None:
        """As every method has it."""


def set_up(strategy: type[Any]) -> None:
    trainer = cast(pl.Trainer, SimpleNamespace(strategy=object.__new__(strategy)))
    AverageWeights(decay=0.9).setup(trainer, Module(), "fit")


def test_weights_in_shares_are_refused() -> None:
    with pytest.raises(InputError, match="needs whole weights"):
        set_up(FSDP)


def test_there_is_no_warning_of_shares_where_there_are_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_up(SingleDeviceStrategy)
