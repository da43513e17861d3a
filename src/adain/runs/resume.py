"""``ckpt=last|best|PATH``: going on with a run means its folder, its configuration and its W&B run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from adain.errors import UserError
from adain.quoting import quote
from adain.runs.kept import kept

_KEPT = ("optim", "optim.optimizer", "optim.lr", "optim.bias_lr", "optim.betas", "optim.momentum", "optim.scale_lr")
"""What a checkpoint's optimiser state decides."""


def rewrite_arguments() -> None:
    """Puts the interrupted run's own overrides before what was typed, and sends the outputs to its folder.

    So ``make train ckpt=last`` goes on with the newest run whatever experiment it was, and
    ``make train ckpt=last trainer.max_steps=1000`` lengthens it.

    Raises:
        UserError: If there is no such checkpoint, or it lies in no run's folder.
    """
    typed = sys.argv[1:]
    given = {key: value for key, _, value in (argument.partition("=") for argument in typed)}
    wanted = given.get("ckpt", "null")
    if wanted in ("null", ""):
        return
    checkpoint = find_checkpoint(wanted, Path(given.get("logs", "logs")).expanduser())
    run = checkpoint.parent.parent
    overrides = run / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        raise UserError(
            f"ckpt={wanted} ({checkpoint}) lies in no run's folder, so its configuration is unknown: to start a new run from "
            f"its decoder use method.init={checkpoint}"
        )
    recorded = _typed_before(overrides)
    before = [o for o in recorded if o.partition("=")[0] not in given and not o.startswith("hydra.run.dir")]
    if lost := sorted(key for key in given if key in _KEPT and f"{key}={given[key]}" not in recorded):
        raise UserError(
            f"ckpt={wanted} goes on with the optimiser as it was, so {lost[0]}={given[lost[0]]} would not be used: leave it "
            f"out, or begin anew from its decoder with method.init={checkpoint}"
        )
    rest = [argument for argument in typed if not argument.startswith("ckpt=")]
    sys.argv[1:] = [*before, *rest, f"ckpt={quote(str(checkpoint))}", f"hydra.run.dir={quote(str(run))}"]


def _typed_before(path: Path) -> list[str]:
    """A run's overrides as they were typed: a ``${`` in them is not resolved here."""
    written = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert isinstance(written, list)
    return [str(override) for override in written]


def find_checkpoint(wanted: str, logs: Path) -> Path:
    """The file that ``last``, ``best`` or a path means.

    Raises:
        UserError: If it does not exist.
    """
    if wanted in ("last", "best"):
        path = (logs / "latest").resolve() / "checkpoints" / f"{wanted}.ckpt"
        if not (logs / "latest").exists():
            raise UserError(f"ckpt={wanted}: there is no run below {logs} yet: train first, or give a path")
        if not is_checkpoint(path):
            others = kept(logs)
            advice = (
                f"give ckpt={others[0]} to go on with the newest that has one"
                if others
                else "train first, or give a path"
            )
            raise UserError(f"ckpt={wanted}: the newest run below {logs} has no {path.name}: {advice}")
        return path
    path = Path(wanted.strip("'\"")).expanduser()
    if path.is_dir() and not is_checkpoint(path):
        path = path / "checkpoints" / "last.ckpt"
    if not is_checkpoint(path):
        raise UserError(f"ckpt={wanted} does not exist: give last, best, a run's folder or a checkpoint")
    return path.resolve()


def settled_precision(checkpoint: Path, device: str) -> str | None:
    """What ``trainer.precision=auto`` came to be in a run that goes on: measured anew it could be another.

    Args:
        checkpoint: Of the run, in its folder.
        device: ``cpu`` or ``cuda``: on another the question is open again.
    """
    try:
        summary = json.loads((checkpoint.parents[1] / "summary.json").read_text())
    except (OSError, ValueError):
        return None
    return str(summary["precision"]) if str(summary.get("device", "")).startswith(device) else None


def is_checkpoint(path: Path) -> bool:
    """Whether there is one: a file, or one of DeepSpeed's folders."""
    return path.is_file() or (path / "latest").is_file()


def requeued(config: DictConfig, folder: Path) -> None:
    """A job that SLURM stopped and began again goes on with its checkpoint."""
    last = folder / "checkpoints" / "last.ckpt"
    if config.ckpt is None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and is_checkpoint(last):
        config.ckpt = str(last)
