"""``ckpt=last|best|PATH``: going on with a run means its folder, its configuration and its W&B run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from adain.errors import UserError
from adain.quoting import quote


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
    checkpoint = find_checkpoint(wanted, Path(given.get("logs", "logs")))
    run = checkpoint.parent.parent
    overrides = run / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        raise UserError(
            f"ckpt={wanted} ({checkpoint}) lies in no run's folder, so its configuration is unknown: to start a new run from "
            f"its decoder use method.init={checkpoint}"
        )
    before = [
        o for o in _typed_before(overrides) if o.partition("=")[0] not in given and not o.startswith("hydra.run.dir")
    ]
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
            raise UserError(
                f"ckpt={wanted}: the newest run below {logs} has no {path.name}: train first, or give a path"
            )
        return path
    path = Path(wanted.strip("'\"")).expanduser()
    if path.is_dir() and not is_checkpoint(path):
        path = path / "checkpoints" / "last.ckpt"
    if not is_checkpoint(path):
        raise UserError(f"ckpt={wanted} does not exist: give last, best, a run's folder or a checkpoint")
    return path.resolve()


def is_checkpoint(path: Path) -> bool:
    """Whether there is one: a file, or one of DeepSpeed's folders."""
    return path.is_file() or (path / "latest").is_file()


def requeued(config: DictConfig, folder: Path) -> None:
    """A job that SLURM stopped and began again goes on with its checkpoint."""
    last = folder / "checkpoints" / "last.ckpt"
    if config.ckpt is None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and is_checkpoint(last):
        config.ckpt = str(last)
