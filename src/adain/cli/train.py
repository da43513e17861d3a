"""``make train``: from a configuration to a trained decoder."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from adain.cli.app import fail, run
from adain.cli.arguments import choose_recipe, keep_to_one_folder
from adain.cli.preflight.strategy import SHARDING, check_strategy, device_count, strategy_kind
from adain.cli.quiet import quieten
from adain.runtime.errors import UserError
from adain.runtime.launched import launched_outside
from adain.training.began import began
from adain.training.outcome import compare, point_latest, report, say_shared, write_pairs
from adain.training.ranks import is_rank, run_ranks, serve
from adain.training.resume import (
    check_loads,
    check_unchanged,
    requeued,
    rewrite_arguments,
    write_record,
)
from adain.training.session import Stopped, alone, say_stopped, stoppable

_LOST = re.compile(r"gloo|NCCL|pair closure|[Cc]onnection (closed|reset)|[Tt]imed out|[Tt]imeout")

if TYPE_CHECKING:
    import pytorch_lightning as pl

PATHS = (
    "ckpt", "model.init", "model.style", "compare_with", "data.content", "data.style", "data.held_out", "data.manifest",
    "encoder.weights", "logs",
)  # fmt: skip
"""Keys whose value is a file name: see ``app.run``."""


def train(config: DictConfig, extra: Sequence[pl.Callback] = ()) -> float | None:
    """Trains as configured.

    Args:
        config: Composed from ``conf/train.yaml``.
        extra: Callbacks beside the configured ones: a sweep's.

    Returns:
        The best monitored value, for a sweeper; None if there was no validation.
    """
    since, folder = began(), Path(HydraConfig.get().runtime.output_dir)
    check_strategy(config, here=True)  # again: a job of a sweep meets its machine only now
    requeued(config, folder)
    if config.ckpt is not None:
        check_unchanged(config, folder)
    if strategy_kind(config) != "single" and launched_outside() is None:
        if extra:
            raise UserError(
                f"a sweep that prunes watches its jobs in one process, but strategy={strategy_kind(config)} gives each "
                "several: add hydra.sweeper.pruner=null, or strategy=single"
            )
        return run_ranks(config, device_count(config))

    with alone(folder):
        try:
            with stoppable():
                return _train_here(config, folder, since, extra)
        except Stopped as stop:
            say_stopped(stop, folder)
            sys.exit(stop.code)


def _train_here(config: DictConfig, folder: Path, since: float, extra: Sequence[pl.Callback]) -> float | None:
    """One training in this process, or one rank's part of it; the user has waited since ``since``."""
    import pytorch_lightning as pl  # torch and Lightning are imported from here on
    from hydra.utils import instantiate

    from adain.data.sources import FolderSource
    from adain.runtime.memory import keep_freed_memory
    from adain.runtime.precision import memory_format
    from adain.training.broadcast_init import BroadcastInit
    from adain.training.last_checkpoint import FirstStep
    from adain.training.run_summary import RunSummary, close_wandb, log_configuration

    quieten()
    keep_freed_memory()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    code, compared, received, trainer = 1, None, None, None
    try:
        datamodule = instantiate(config.data)
        if (one := OmegaConf.select(config, "model.style")) is not None:
            datamodule.style = FolderSource(one)  # a network of one style is shown beside that, not beside others
        method = instantiate(config.model, optimizer=instantiate(config.optimizer))
        if config.ckpt is not None:
            check_loads(Path(config.ckpt), method, datamodule)
        loggers = list(instantiate(config.logger).values())  # what fails from here on is marked failed in W&B
        log_configuration(loggers, OmegaConf.to_container(config, resolve=True))
        if config.compile:
            from adain.runtime.compiling import compiled

            method.losses = compiled(method.losses, training_only=True)
        callbacks = instantiate(config.callbacks)
        summary: RunSummary | None = callbacks.get("summary")
        if summary:
            summary.began = since
        start = BroadcastInit(datamodule.draw if config.ckpt is None else None)

        def record() -> None:
            point_latest(Path(config.logs) / "latest", folder)
            write_pairs(folder / "held_out.csv", datamodule.held_out.names)
            if config.ckpt is not None:
                write_record(config, folder)

        later = [] if config.ckpt is None else [FirstStep(record)]
        trainer = build_trainer(config, loggers, [start, *callbacks.values(), *extra, *later])
        if trainer.is_global_zero:
            print(f"run: {folder}  ({trainer.strategy.root_device}, precision {trainer.precision})")
        datamodule.setup()
        if trainer.is_global_zero:
            if config.ckpt is None:
                record()
            say_shared(datamodule, ("content", "style") if one is None else ("content",))
        device = trainer.strategy.root_device
        if strategy_kind(config) not in SHARDING:  # they cut and send contiguous weights only
            method.to(memory_format=memory_format(device, str(trainer.precision)))
        method.to(device)
        if config.ckpt is None:
            trainer.validate(method, datamodule, verbose=False)
        trainer.fit(method, datamodule, ckpt_path=config.ckpt)
        idle = config.ckpt is not None and summary is not None and summary.first_step is None
        if idle and trainer.is_global_zero and trainer.global_step >= trainer.max_steps:
            print(f"it had made its {trainer.global_step} steps already: a larger trainer.max_steps goes on with it")
        received = callbacks["last"].received if "last" in callbacks else None
        code = 128 + received if received else 0
        if config.compare_with is not None and not received and not idle and trainer.is_global_zero:
            with trainer.precision_plugin.val_step_context():  # measured as the run's own were
                losses = compare(config.compare_with, method.to(device), datamodule)
            compared = None if losses is None else (config.compare_with, losses)
            if losses is not None and "summary" in callbacks:
                callbacks["summary"].compared(trainer, *losses)
    except RuntimeError as error:
        if trainer is None or trainer.world_size == 1 or not _LOST.search(str(error)):
            raise
        last = folder / "checkpoints" / "last.ckpt"
        raise UserError(
            f"rank {trainer.global_rank} of {trainer.world_size} lost the others at step {trainer.global_step} "
            f"({str(error).splitlines()[0][:200]}): look there for the cause, then go on with ckpt={last}"
        ) from error
    except (KeyboardInterrupt, SystemExit):  # told to stop before the first step, or twice: see ``session``
        code = 128 + signal.SIGTERM
        raise
    finally:
        close_wandb(code)
    if trainer.is_global_zero:
        several = HydraConfig.get().mode == RunMode.MULTIRUN
        report(folder, config.logs, callbacks, compared, method.method, stopped=code != 0, several=several)
    if code:
        if received == signal.SIGUSR2 and callable(signal.getsignal(received)):
            os.kill(os.getpid(), received)  # to submitit, for which it was meant: the job is queued again
        sys.exit(code)
    return summary.best.get(config.monitor.metric) if summary else None


def build_trainer(config: DictConfig, loggers: list[Any], callbacks: list[Any]) -> pl.Trainer:
    """Lightning's Trainer, with ``precision=auto`` settled for the device at hand.

    Raises:
        UserError: If the machine has not what is asked for.
    """
    import torch
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.utilities.exceptions import MisconfigurationException
    from pytorch_lightning.callbacks import ProgressBar

    from adain.training.precision import settle_precision

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
            plugins=[LightningEnvironment()] if ours else None,
        )  # fmt: skip
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            raise UserError(f"the trainer cannot be set up: {error.__cause__}; check the keys below trainer") from None
        raise
    return trainer


def main() -> None:
    """The command; in one of the processes that ``run_ranks`` starts, a rank."""
    if is_rank():
        return serve(train)
    try:
        rewrite_arguments()
        keep_to_one_folder()
    except UserError as error:
        fail(str(error))
    if any(argument in ("-m", "--multirun") for argument in sys.argv[1:]):
        os.execv(sys.executable, [sys.executable, "-m", "adain.cli.sweep", *sys.argv[1:]])
    choose_recipe()
    run("train", train, PATHS)


if __name__ == "__main__":
    main()
