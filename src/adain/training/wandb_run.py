"""The W&B run of a training run: one run, one folder, one identity."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pydantic import ValidationError
from pytorch_lightning.loggers import WandbLogger

from adain.runtime.errors import UserError, first_line
from adain.runtime.extras import as_typed_here, program
from adain.runtime.files import relative
from adain.training.progress import say

_PATIENCE = 30.0  # seconds that the server has to answer in


class StepLogger(WandbLogger):
    """Logs by steps: Lightning adds an ``epoch`` to all it logs, which is 0 throughout and would be the first chart."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log all but the epoch."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    @property
    def experiment(self) -> Any:
        """Start the run at the first call. W&B records the command line, and takes no names that are not UTF-8."""
        typed = sys.argv  # noqa: TID251  # W&B reads it: it cannot be told otherwise
        sys.argv = [word.encode(errors="backslashreplace").decode() for word in typed]  # noqa: TID251
        try:
            return super().experiment
        finally:
            sys.argv = typed  # noqa: TID251


def wandb_logger(
    folder: str, project: str, name: str | None, group: str | None, tags: Sequence[str], finish_timeout: float = 300
) -> WandbLogger:
    """Return a W&B logger that goes offline, and says so, where nobody is logged in or the server cannot be used.

    Args:
        folder: The run's folder. The run's identity is derived from it, so a resumed run is the same W&B run.
        project: As W&B has it, like the rest.
        name: Shown in the dashboard. None: the last two parts of the folder, which a resumed run keeps as well.
        group: Of runs that belong together.
        tags: To filter by.
        finish_timeout: Seconds that ``close_wandb`` waits for what is still to be sent.

    Raises:
        UserError: If W&B takes no such folder, project, or tag, or a variable of the environment is wrong.
    """
    os.environ.setdefault("WANDB_SILENT", "true")  # read once, at W&B's first call
    os.environ["WANDB_CONSOLE"] = "off"  # its capture would swallow the progress bar's carriage returns
    # What its telemetry does in a forked process can hang it for ever, and a loader's worker is one.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    where = Path(folder).resolve()
    if os.fsencode(where).decode(errors="replace") != str(where):
        raise UserError(
            f"W&B cannot use the folder {where}, whose name is not UTF-8: give another with logs=, or logger=csv"
        )
    check_settings(project, tags)
    identity = hashlib.sha256(str(where).encode()).hexdigest()[:12]
    settings = wandb.Settings(init_timeout=_PATIENCE, finish_timeout=finish_timeout, finish_timeout_raises=True)
    logger = partial(
        StepLogger, save_dir=folder, project=project, name=name or "/".join(where.parts[-2:]), group=group,
        tags=list(tags), id=identity, resume="allow", log_model=False, settings=settings,
    )  # fmt: skip
    later = sync_command(Path(folder) / "wandb" / "latest-run")
    if "WANDB_MODE" not in os.environ:
        try:
            known = wandb.login(prompt=False, verify=False)
        except (wandb.Error, ValueError) as error:  # what stands in WANDB_API_KEY is not a key
            say(f"W&B: {first_line(error)} So the run is kept offline")
            return logger(mode="offline")
        if not known:
            say(
                as_typed_here(
                    f"W&B: nobody is logged in, so the run is kept offline (make watch shows it); to upload it later: {later}"
                )
            )
            return logger(mode="offline")
    online = logger()
    try:
        _ = online.experiment  # asks the server
    except wandb.Error as error:  # no network, or a key that is no longer valid: no reason to lose a night's run
        reason = first_line(error)
        say(f"W&B: the server cannot be used ({reason}), so the run is kept offline; later: {later}")
        wandb.teardown()  # its service still holds the run's identity
        return logger(mode="offline")
    return online


def check_settings(project: str, tags: Sequence[str]) -> None:
    """Check what W&B asks of a project, of tags, and of the environment's variables; no server is asked.

    Raises:
        UserError: With its reason.
    """
    import wandb

    try:
        settings = wandb.Settings(project=project, run_tags=tuple(tags))
        settings.update_from_env_vars(dict(os.environ))
    except (wandb.Error, ValueError) as error:
        reason = first_line(error)
        if isinstance(error, ValidationError):  # its first line is a count
            wrong = error.errors()[0]
            reason = f"{wrong['loc'][0]}={str(wrong['input'])[:40]}: {wrong['msg'].removeprefix('Value error, ')}"
        raise UserError(
            f"W&B cannot be used with these settings ({reason}): check logger.wandb.project, run.tags, and the environment's "
            "WANDB_MODE and the like, or give logger=csv"
        ) from None


def sync_command(run: Path) -> str:
    """Return the command that uploads an offline run."""
    return f"{program('wandb')} sync {shlex.quote(str(relative(run.parent) / run.name))}"


@contextmanager
def left_out_if_refused(what: str) -> Iterator[None]:
    """Tables and artifacts ask the server something, in the middle of a run: where it is gone, they are left out."""
    import wandb

    try:
        yield
    except wandb.Error as error:
        say(f"W&B: {what} is left out, the server cannot be used ({first_line(error)})")


def wandb_loggers(trainer: pl.Trainer) -> list[WandbLogger]:
    """Return the trainer's W&B loggers; none on ranks that do not write."""
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)] if trainer.is_global_zero else []
