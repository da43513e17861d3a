"""``make train``: from a configuration to a trained decoder."""

from __future__ import annotations

import atexit
import csv
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from adain.commands.app import fail, quote, run
from adain.commands.check_strategy import check_strategy, device_count, launched_outside, strategy_kind
from adain.commands.ranks import run_ranks
from adain.commands.resume import rewrite_arguments
from adain.errors import UserError

_LOST = re.compile(r"gloo|NCCL|pair closure|[Cc]onnection (closed|reset)|[Tt]imed out|[Tt]imeout")

if TYPE_CHECKING:
    import pytorch_lightning as pl


def train(config: DictConfig) -> float | None:
    """Trains as configured.

    Returns:
        The best monitored value, for a sweeper; None if there was no validation.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_strategy(config, here=True)  # again: a job of a sweep meets its machine only now
    requeued(config, folder)
    if strategy_kind(config) != "single" and launched_outside() is None:
        return run_ranks(config, device_count(config))

    import pytorch_lightning as pl  # torch and Lightning are imported from here on
    from hydra.utils import instantiate

    from adain.callbacks.one_start import OneStart
    from adain.callbacks.run_summary import RunSummary, close_wandb, log_configuration
    from adain.memory import keep_freed_memory
    from adain.precision import memory_format

    quieten()
    keep_freed_memory()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = instantiate(config.data)
    method = instantiate(config.method)
    loggers = list(instantiate(config.logger).values())
    callbacks = instantiate(config.callbacks)
    start = OneStart(datamodule.draw if config.ckpt is None else None)
    trainer = build_trainer(config, loggers, [start, *callbacks.values()])
    if trainer.is_global_zero:
        point_latest(Path(config.logs), folder)
        print(f"run: {folder}  ({trainer.strategy.root_device}, precision {trainer.precision})")
        log_configuration(loggers, OmegaConf.to_container(config, resolve=True))

    code, reference, received = 1, None, None
    try:
        datamodule.setup()
        if trainer.is_global_zero:
            write_pairs(folder / "held_out.csv", datamodule.held_out.names)
        method.to(trainer.strategy.root_device, memory_format=memory_format(str(trainer.precision)))
        if config.ckpt is None:
            trainer.validate(method, datamodule, verbose=False)
        trainer.fit(method, datamodule, ckpt_path=config.ckpt)
        received = callbacks["last"].received if "last" in callbacks else None
        code = 128 + received if received else 0
        if config.compare_with is not None and not received and trainer.is_global_zero:
            reference = compare(config.compare_with, method.to(trainer.strategy.root_device), datamodule)
    except RuntimeError as error:
        if trainer.world_size == 1 or not _LOST.search(str(error)):
            raise
        last = folder / "checkpoints" / "last.ckpt"
        raise UserError(
            f"rank {trainer.global_rank} of {trainer.world_size} lost the others at step {trainer.global_step} "
            f"({str(error).splitlines()[0][:200]}): look there for the cause, then go on with ckpt={last}"
        ) from error
    finally:
        close_wandb(code)
    summary: RunSummary | None = callbacks.get("summary")
    if trainer.is_global_zero:
        report(folder, callbacks, reference, stopped=code != 0)
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

    from adain.precision import fastest_precision

    precision = config.trainer.precision
    if precision == "auto":
        on_gpu = torch.cuda.is_available() and config.trainer.accelerator in ("auto", "gpu", "cuda")
        precision = fastest_precision(torch.device("cuda" if on_gpu else "cpu"))
    # Lightning would take any process inside a SLURM job for one of several that srun started.
    ours = launched_outside() is None or "ADAIN_RANKS" in os.environ
    try:
        trainer: pl.Trainer = instantiate(
            config.trainer, precision=precision, logger=loggers or False, callbacks=callbacks, _convert_="all",
            plugins=[LightningEnvironment()] if ours else None,
        )  # fmt: skip
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            raise UserError(f"the trainer cannot be set up: {error.__cause__}; check the keys below trainer") from None
        raise
    return trainer


def compare(source: str, method: Any, datamodule: Any) -> tuple[float, float] | None:
    """Held-out losses of another decoder, or None, said in a line, where it does not fit or cannot be had."""
    from adain.callbacks.figures import held_out_losses
    from adain.callbacks.progress import say
    from adain.decoder import load_decoder

    try:
        decoder, encoder = load_decoder(source)
    except UserError as error:
        say(f"compare_with={source} is left out: {error}")
        return None
    if encoder != method.hparams["encoder"]:
        say(f"compare_with={source} is left out: it belongs to encoder={encoder}")
        return None
    return held_out_losses(method, decoder, datamodule.val_dataloader(), method.device)


def point_latest(logs: Path, folder: Path) -> None:
    """``logs/latest`` points at the newest run."""
    link, part = logs / "latest", logs / ".latest.part"
    try:
        part.unlink(missing_ok=True)
        part.symlink_to(folder.resolve(), target_is_directory=True)
        part.replace(link)
    except OSError as error:  # a file system without links
        print(f"{link} could not be pointed at this run ({error.strerror})")


def write_pairs(path: Path, names: list[tuple[str, str]]) -> None:
    """Which held-out pairs every figure and picture of the run is of."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("content", "style"), *names])


def report(folder: Path, callbacks: dict[str, Any], reference: tuple[float, float] | None, stopped: bool) -> None:
    """The last lines: what came of it, where it is, what to type next."""
    from adain.callbacks.figures import label

    shown = _relative(folder)
    if "summary" in callbacks:
        print(f"\n{'held-out losses':<20}{'content':>10}{'style':>10}")
        for row in callbacks["summary"].history:
            print(f"{label(int(row['step'])):<20}{row['val/content']:>10.3f}{row['val/style']:>10.3f}")
        if reference is not None:
            print(f"{'reference decoder':<20}{{:>10.3f}}{{:>10.3f}}".format(*reference))
    print(f"\nrun           {shown}")
    print(f"checkpoints   {shown}/checkpoints/  (best.ckpt, last.ckpt)")
    if "grid" in callbacks and callbacks["grid"].latest is not None:
        print(f"pictures      {_relative(callbacks['grid'].latest)}")
    if "skipped" in callbacks and callbacks["skipped"].seen:
        listed = _relative(callbacks["skipped"].path)
        print(f"skipped       {len(callbacks['skipped'].seen)} unreadable pictures, listed in {listed}")
    print(f"next          {'make train ckpt=last' if stopped else 'make stylize content=FILE style=FILE'}")


def _relative(path: Path) -> Path:
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


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
        ".*LeafSpec.*",
        ".*`srun` command is available.*",
        ".*`broadcast_buffers` is deprecated.*",  # what shall replace it is not there yet
        ".*There is a wandb run already in progress.*",
        ".*trainer.fit_loop._data_source.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def keep_to_one_folder() -> None:
    """Only rank 0 keeps a folder where torchrun or srun starts the command in every rank: time stamps would differ.

    Raises:
        UserError: If every rank would run a whole sweep.
    """
    outside = launched_outside()
    if outside is None or outside[1] == 1:
        return
    if {"-m", "--multirun"} & set(sys.argv):
        raise UserError(
            f"each of the {outside[1]} processes that were started here would run the whole sweep: start --multirun once, "
            "with strategy=ddp trainer.devices=N; every job then starts its own processes"
        )
    if outside[0] == 0:
        return
    sys.argv.append("hydra.output_subdir=null")
    if not any(argument.startswith("hydra.run.dir=") for argument in sys.argv):
        elsewhere = tempfile.mkdtemp(prefix="adain-rank-")
        atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
        sys.argv.append(f"hydra.run.dir={quote(elsewhere)}")


def requeued(config: DictConfig, folder: Path) -> None:
    """A job that SLURM stopped and began again goes on with its checkpoint."""
    last = folder / "checkpoints" / "last.ckpt"
    if config.ckpt is None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and last.is_file():
        config.ckpt = str(last)


def main() -> None:
    """The command."""
    try:
        rewrite_arguments()
        keep_to_one_folder()
    except UserError as error:
        fail(str(error))
    run("train", train, paths=("ckpt", "method.init", "data.content", "data.style", "data.held_out", "compare_with"))


if __name__ == "__main__":
    main()
