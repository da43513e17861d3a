"""A sweep's offline runs, uploaded to W&B and joined there in one sweep.

W&B gives sweeps their ids. A run that names an id which the server did not give is refused, so an offline run carries none:
it has its sweep's group, and the server joins the runs when they are there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from adain.runtime.errors import UserError, first_line
from adain.runtime.extras import as_typed_here
from adain.runtime.files import relative, write_whole
from adain.sweeps.results import Job, Sweep
from adain.sweeps.space import Axis, wandb_parameters
from adain.sweeps.wandb_file import search_method

FILE = "wandb_sweep.json"
"""In the sweep's folder: the id that W&B gave, and the runs that it joined."""


class Upload(NamedTuple):
    """What of a sweep was kept offline, for its report.

    Attributes:
        jobs: How many.
        project, group: Of its runs in W&B.
        command: Uploads all.
    """

    jobs: int
    project: str
    group: str
    command: str

    @classmethod
    def of(cls, sweep: Sweep) -> Upload | None:
        """Return it; None where no run was kept offline."""
        jobs = sum(any(_runs(job, "offline-run")) for job in sweep.jobs)
        command = as_typed_here(f"make report {quote(f'sweep={relative(sweep.folder)}')} sync=true")
        return cls(jobs, _shared(sweep, "logger.wandb.project"), _shared(sweep, "run.group"), command) if jobs else None


def _runs(job: Job, kind: str = "*run") -> Iterator[Path]:
    """Yield the folders of a job's runs, ``offline-run-20261127_025956-ID``. If it was resumed it has several of one id."""
    return (job.folder / "wandb").glob(f"{kind}-*-*")


def _shared(sweep: Sweep, key: str) -> str:
    """Return what a key is in every job."""
    found = (OmegaConf.select(OmegaConf.create(dict(job.config)), key) for job in sweep.jobs)
    return str(next(filter(None, found), ""))


def sync_sweep(sweep: Sweep) -> str:
    """Upload the runs that were kept offline, and make one sweep of them and of those that are on the server already.

    Returns:
        W&B's id of the sweep. Where it has these very runs already, it stays as it is.

    Raises:
        UserError: If there is nothing to upload, or the server cannot be used.
    """
    offline = sorted(str(run) for job in sweep.jobs for run in _runs(job, "offline-run"))
    if not offline:
        raise UserError(f"the sweep {sweep.folder} has no offline runs of W&B: there is nothing to upload")
    done = subprocess.run([sys.executable, "-m", "wandb", "sync", *offline], stdin=subprocess.DEVNULL)
    if done.returncode:
        raise UserError(
            "W&B could not upload the runs: see its message above; the same command continues where it stopped"
        )
    runs = sorted({run.name.rpartition("-")[2] for job in sweep.jobs for run in _runs(job)})
    record = sweep.folder / FILE
    if record.is_file() and (before := json.loads(record.read_text()))["runs"] == runs:
        return str(before["sweep"])

    import wandb

    settings = _settings(sweep)
    try:
        found = wandb.sweep(settings, project=settings["project"], prior_runs=runs)
    except (wandb.Error, ValueError) as error:
        raise UserError(
            f"the runs are uploaded, but W&B made no sweep of them ({first_line(error)}): give the same again"
        ) from None
    write_whole(record, json.dumps({"sweep": found, "runs": runs}, indent=2) + "\n")
    return found


def _settings(sweep: Sweep) -> dict[str, Any]:
    """Return the sweep as W&B describes one, with the values that its jobs had."""
    sweeper: Any = OmegaConf.load(sweep.folder / "multirun.yaml").hydra.sweeper
    given = {key: dict.fromkeys(job.swept[key] for job in sweep.jobs if key in job.swept) for key in sweep.keys}
    settings: dict[str, Any] = {
        "name": sweep.name,
        "project": _shared(sweep, "logger.wandb.project"),
        "program": "adain.cli.train",
        "method": "random" if sweep.objectives else search_method(sweeper),  # W&B's own searches have one metric
        "parameters": wandb_parameters([Axis(key, key, tuple(values)) for key, values in given.items()]),
    }
    if not sweep.objectives:
        goal = "minimize" if sweep.mode == "min" else "maximize"
        settings["metric"] = {"name": sweep.metric, "goal": goal}
    return settings
