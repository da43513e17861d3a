"""Detect whether a launcher started this process as one of several."""

from __future__ import annotations

import os


def launched_outside() -> tuple[int, int] | None:
    """Return rank and world size if torchrun, srun or ``adain.training.ranks`` started this process, else None."""
    environment = os.environ
    if "LOCAL_RANK" in environment and "WORLD_SIZE" in environment:
        rank = environment.get("RANK", environment["LOCAL_RANK"])
        return int(rank), int(environment["WORLD_SIZE"])
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:  # srun sets it; a batch script alone does not
        return int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
    return None
