"""Whether this process is one of several that a launcher started."""

from __future__ import annotations

import os


def launched_outside() -> tuple[int, int] | None:
    """Rank and number of processes, if torchrun, srun or ``adain.training.ranks`` started this process among others."""
    environment = os.environ
    if "LOCAL_RANK" in environment and "WORLD_SIZE" in environment:
        rank = environment.get("RANK", environment["LOCAL_RANK"])
        return int(rank), int(environment["WORLD_SIZE"])
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:  # set by srun, not in a batch script
        return int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
    return None
