"""A W&B sweep file of the same search space: ``wandb sweep FILE``, then ``wandb agent ID`` on as many machines as wanted."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.files import write_whole
from adain.sweeps.space import Axis, wandb_parameters

_METHODS = {"TPESampler": "bayes", "RandomSampler": "random", "BruteForceSampler": "grid"}


def write_wandb_sweep(config: DictConfig, fixed: Sequence[str], axes: Sequence[Axis], path: Path) -> str:
    """Write the file of what is fixed in every run and of the search space.

    Returns:
        What to type next.

    Raises:
        UserError: If nothing is swept, or the method cannot search it.
    """
    if not axes:
        raise UserError(
            "wandb_sweep: nothing is swept: give a search space, as in sweep=optuna or optimizer.lr=1e-4,3e-4"
        )
    if not isinstance(config.monitor.metric, str):
        raise UserError("wandb_sweep: a sweep of W&B has one metric: give one, as in monitor.metric=val/content")
    method = search_method(config.hydra.sweeper)
    if method == "grid" and any(not axis.values for axis in axes):
        raise UserError("wandb_sweep: a grid needs listed values: give choice(...) or range(...), or sampler=tpe")
    kept = [o for o in fixed if not re.match(r"\+?(sweep=|hydra[./])", o)]
    project = OmegaConf.select(config, "logger.wandb.project")  # else W&B keeps the runs where it keeps the nameless
    content: dict[str, Any] = {
        "program": "adain.cli.train",
        **({} if project is None else {"project": str(project)}),
        "method": method,
        "metric": {"name": str(config.monitor.metric), "goal": "minimize" if config.monitor.mode == "min" else "maximize"},
        "parameters": wandb_parameters(axes),
        "command": ["${env}", interpreter(), "-m", "${program}", *kept, "${args_no_hyphens}"],
    }  # fmt: skip
    try:
        write_whole(path, yaml.safe_dump(content, sort_keys=False))
    except OSError as error:
        raise UserError(
            f"wandb_sweep={path} cannot be written ({error.strerror}): give a file in a folder that is there"
        ) from None
    return f"{path} is written; next: wandb sweep {path}, then wandb agent with the name that it prints (both in .venv/bin)"


def search_method(sweeper: DictConfig) -> str:
    """Return W&B's word for how a sweeper searches: ``grid``, ``random``, or ``bayes``."""
    return _METHODS.get(str(OmegaConf.select(sweeper, "sampler._target_")).rpartition(".")[2], "grid")


def interpreter() -> str:
    """This Python as it is called from this folder, if it lies below it: W&B's own word is the ``python`` of the PATH."""
    here = Path(sys.executable)
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else "${interpreter}"
