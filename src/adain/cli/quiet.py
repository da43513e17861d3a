"""Less noise in the terminal."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Leaves out what Lightning says at every start and no user of this project can act on."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        for child in (name, f"{name}.utilities.rank_zero"):
            logging.getLogger(child).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*checkpoint when resuming mid-epoch.*",
        ".*You're resuming from a checkpoint that ended before.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # the benchmark's loop alone
        ".*LeafSpec.*",
        ".*`srun` command is available.*",
        ".*There is a wandb run already in progress.*",
        ".*trainer.fit_loop._data_source.*",
    ):
        warnings.filterwarnings("ignore", message=message)
