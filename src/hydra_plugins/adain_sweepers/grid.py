"""Hydra's basic sweeper, less what is finished: every combination of the swept values, each in a folder of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import InputError, UserError
from adain.runtime.files import lock, write_whole
from adain.sweeps.results import read_plan, status_of
from adain.sweeps.space import grid, naming, objectives, overrides_of, split


class GridSweeper(Sweeper):
    """Runs the jobs of a sweep that are missing, failed or cut short.

    Its jobs are told their folder's number and W&B's names as overrides, so any launcher will do. The plan is
    written as ``jobs.json``, beside Hydra's ``multirun.yaml``.

    Args:
        params: A named sweep's keys and values, in Hydra's sweep syntax.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way of handing over."""
        self.loader, self.master = hydra_context.config_loader, config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Launch what is to be done, in one batch.

        Raises:
            UserError: If another process runs this sweep, or it was planned with other values.
        """
        folder = Path(str(self.master.hydra.sweep.dir))
        fixed, axes = split(self.params, arguments, self.loader)
        fixed, _ = objectives(fixed)
        jobs = grid(axes)
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder / ".lock") as held:
            if not held:
                raise UserError(f"{folder} is being run by another process: wait for it, or start a sweep of its own")
            self._plan(folder, jobs)
            OmegaConf.save(self.master, folder / "multirun.yaml")
            todo = [i for i in range(len(jobs)) if status_of(folder / str(i)) != "finished"]
            rest, group = fixed, f"{folder.parent.name}/{folder.name}"
            batch: list[Sequence[str]] = []
            for index in todo:
                rest, names = naming(fixed, jobs[index], group)
                batch.append([*rest, *overrides_of(jobs[index]), *names, f"hydra.sweep.subdir={index}"])
            print(f"sweep: {folder}  ({len(batch)} of {len(jobs)} jobs to run)", flush=True)
            return [launch(self.launcher, batch)] if batch else []

    def _plan(self, folder: Path, jobs: list[dict[str, str]]) -> None:
        path = folder / "jobs.json"
        if path.is_file() and read_plan(folder) != jobs:
            raise UserError(
                f"{folder} sweeps other values: resume= continues with those of its jobs.json, so leave the swept keys out, or "
                "start a new sweep"
            )
        write_whole(path, json.dumps(jobs, indent=2) + "\n")


def launch(launcher: Launcher, batch: list[Sequence[str]]) -> Sequence[Any]:
    """Launch jobs. What each came to stands in its folder, so a launcher that lost some does not lose the others.

    Raises:
        UserError: If the launcher cannot be used.
    """
    try:
        return launcher.launch(batch, initial_job_idx=0)
    except InputError:
        raise
    except Exception as error:
        if type(error).__name__ == "FailedJobError":  # submitit's, which may not be installed: sbatch took no job
            reason = str(error).strip().splitlines()[-1]
            raise UserError(
                f"SLURM took none of the jobs ({reason}): start the sweep where sbatch works, or leave hydra/launcher= out"
            ) from None
        reason, *_ = str(error).strip().splitlines() or ["no reason given"]
        broke = f"the launcher broke off ({type(error).__name__}: {reason})"
        print(f"{broke}: check hydra.launcher; what it ran is in the table", file=sys.stderr)
        return []
