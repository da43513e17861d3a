"""One job of a sweep."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from adain.runtime.errors import InputError
from adain.runtime.run_folder import is_checkpoint, mark

Train = Callable[[DictConfig, Sequence[Any]], float | None]
"""Trains as configured, with callbacks beside the configured ones; returns the best monitored value."""


def run_job(config: DictConfig, train: Train) -> float | None:
    """Run a training that does not take the others along when it fails, and goes on where it was cut.

    Returns:
        The best monitored value; None if the job failed, which its ``summary.json`` says.
    """
    from adain.runtime.memory import give_back_freed_memory
    from adain.training.run_summary import close_wandb

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    print(f"\njob {hydra.sweep.subdir}: {config.run.name}", flush=True)
    last = folder / "checkpoints" / "last.ckpt"
    if is_checkpoint(last):
        config.ckpt = str(last)
    callbacks = []
    if "n_trials" in hydra.sweeper and hydra.sweeper.pruner is not None:
        from adain.sweeps.study import prune_trial

        callbacks.append(prune_trial(hydra, str(config.monitor.metric)))
    try:
        return train(config, callbacks)
    except Exception as error:
        # no exception goes on from here: its frames hold the job's tensors until the sweep ends
        message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, InputError):
            traceback.print_exc()
        mark(folder, "failed", message)
        print(f"job {hydra.sweep.subdir} failed: {message.splitlines()[0]}", file=sys.stderr, flush=True)
    finally:
        close_wandb(1)  # does nothing where training has done it
        gc.collect()
        give_back_freed_memory()  # else it counts as the next job's
    return None
