"""``make train``: from a configuration to a trained decoder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.arguments import choose_recipe, is_multirun, keep_to_one_folder
from adain.cli.preflight.strategy import check_strategy, device_count, strategy_kind
from adain.cli.quiet import quieten
from adain.runtime.errors import UserError
from adain.runtime.launched import launched_outside
from adain.training.ranks import is_rank, run_ranks, serve
from adain.training.resume import check_unchanged, check_unused, requeued, resumed_arguments, write_record
from adain.training.session import alone, stoppable, waiting_since

if TYPE_CHECKING:
    import pytorch_lightning as pl


def train(config: DictConfig, extra: Sequence[pl.Callback] = ()) -> float | None:
    """Train as configured, with callbacks beside the configured ones: a sweep's.

    Returns:
        The best monitored value, for a sweeper; None if there was no validation.
    """
    since, folder = waiting_since(), Path(HydraConfig.get().runtime.output_dir)
    check_strategy(config, here=True)  # again: a job of a sweep meets its machine only now
    requeued(config, folder)
    if config.ckpt is None:
        check_unused(folder)
    else:
        check_unchanged(config, folder)
    if strategy_kind(config) != "single" and launched_outside() is None:
        if extra:
            raise UserError(
                f"a sweep that prunes watches its jobs in one process, but strategy={strategy_kind(config)} gives each "
                "several: add hydra.sweeper.pruner=null, or strategy=single"
            )
        with alone(folder):
            pass  # refused here, not by a rank that the others wait for; rank 0 keeps it
        return run_ranks(config, device_count(config))

    with alone(folder) as keeps, stoppable(folder):
        if keeps and config.ckpt is None:
            write_record(config, folder)
        from adain.training.run import run_training  # torch and Lightning are imported from here on

        quieten()
        return run_training(config, folder, since, extra)


def main() -> None:
    """Run the command; in one of the processes that ``run_ranks`` starts, a rank."""
    if is_rank():
        return serve(train)
    run("train", train, rewrite=rewrite)


def rewrite(typed: list[str]) -> list[str]:
    """Return the arguments with what a resumed run, a rank or a model's recipe adds. ``--multirun`` becomes a sweep.

    Hydra is kept from writing the record of a folder that may be another run's: see ``write_record``.
    """
    arguments = keep_to_one_folder(resumed_arguments(typed))
    if is_multirun(arguments):
        os.execv(sys.executable, [sys.executable, "-m", "adain.cli.sweep", *arguments])
    return [*choose_recipe(arguments), "hydra.output_subdir=null"]


if __name__ == "__main__":
    main()
