"""What came of a sweep, read from its folder at any time: half finished, partly failed, or done."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.run_folder import checkpoint_of, read_summary
from adain.runtime.schema import current_override
from adain.sweeps.space import short_names, short_value, split
from adain.training.resume import recorded_overrides

STATUSES = ("finished", "pruned", "failed", "preempted", "unfinished", "missing")


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        number: Also its folder's name.
        folder: Where it is, or will be.
        swept: Key and value, as text.
        status: One of ``STATUSES``; ``unfinished`` runs now, or was killed.
        error: Why it failed.
        summary: Its ``summary.json``; empty before the first validation.
        config: Its configuration as plain values, interpolations as written; empty where it did not start.
        pairs: Names of its held-out pairs.
        overrides: What it was started with.
    """

    number: int
    folder: Path
    swept: dict[str, str]
    status: str
    error: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()

    @property
    def checkpoint(self) -> Path | None:
        """Return its best checkpoint, else its last; None before the first."""
        return checkpoint_of(self.folder)

    def best(self, metric: str) -> float:
        """Return a held-out figure at the best validation so far; no number where there is none."""
        value = (self.summary.get("best") or {}).get(metric)
        return math.nan if value is None else float(value)

    @property
    def best_step(self) -> int | None:
        """Return the step of ``best.ckpt``."""
        step = (self.summary.get("best") or {}).get("step")
        return None if step is None else int(step)

    @property
    def values(self) -> list[str]:
        """Return its swept keys and values for people, such as ``style_weight 10``."""
        names = short_names(self.swept)
        return [f"{names[key.lstrip('+')]} {short_value(value)}" for key, value in self.swept.items()]

    @property
    def label(self) -> str:
        """Return a short name, for legends: its number and swept values."""
        return ", ".join([f"job {self.number}", *self.values])


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder, read.

    Attributes:
        folder: Of it.
        name: ``style_weight 2026-11-22_10-00-00``.
        keys: Swept, in the order they were given.
        metric, mode: What "best" meant within a job.
        objectives: Metrics that the sweep minimizes together; empty where it has one.
        jobs: In the order of their numbers.
        planned: How many there should be in the end, if that is known.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    metric: str
    mode: str
    jobs: tuple[Job, ...]
    planned: int | None
    objectives: tuple[str, ...] = ()

    def count(self, status: str) -> int:
        """Return how many jobs have that status."""
        return sum(job.status == status for job in self.jobs)

    @property
    def remaining(self) -> int:
        """Jobs that ``resume=`` would run."""
        done = self.count("finished") + self.count("pruned")
        return max((self.planned or len(self.jobs)) - done, 0)


def status_of(folder: Path) -> str:
    """Return what is known of a job from its folder."""
    word = str(read_summary(folder).get("status", ""))
    if word == "running" or (not word and (folder / ".hydra").is_dir()):
        return "unfinished"
    return word if word in STATUSES else "missing"


def read_sweep(folder: Path) -> Sweep:
    """Read the folder of a sweep, whoever made it: this project's sweepers, or Hydra's own.

    Raises:
        UserError: If it is not a sweep's folder, or nothing has been planned in it.
    """
    try:
        multirun: Any = OmegaConf.load(folder / "multirun.yaml")
        hydra = multirun["hydra"]
        typed = [current_override(str(override)) for override in hydra["overrides"]["task"]]
        params = OmegaConf.to_container(hydra["sweeper"].get("params") or OmegaConf.create({}))
        monitor = multirun["monitor"]
        metric, mode = monitor["metric"], str(monitor["mode"])
        objectives = () if isinstance(metric, str) else tuple(metric)
    except Exception as error:  # whatever the file holds, it is not ours to read
        raise UserError(
            f"{folder} is not a sweep's folder: its multirun.yaml is missing or not that of make sweep ({type(error).__name__})"
        ) from None
    assert isinstance(params, dict)
    choices = [override for override in typed if "glob(" not in override]
    globbed = [override.partition("=")[0].lstrip("+") for override in typed if "glob(" in override]
    axes = split({current_override(str(k)): str(v) for k, v in params.items()}, choices)[1]
    seeds = int(hydra["sweeper"].get("seeds") or 1)
    keys = list(dict.fromkeys([*(axis.key for axis in axes), *globbed, *(["seed"] if seeds > 1 else [])]))
    plan = read_plan(folder)
    numbers = {int(path.name) for path in folder.iterdir() if path.name.isdigit() and path.is_dir()}
    jobs = [_read_job(folder, number, keys, plan) for number in sorted(numbers | set(range(len(plan))))]
    if not jobs:
        raise UserError(f"the sweep {folder} has no jobs yet: start it with make sweep resume={folder}")
    n_trials = hydra["sweeper"].get("n_trials")
    metric, mode = _monitor(jobs, "val/loss" if objectives else metric, mode)
    planned = len(plan) or (int(n_trials) * seeds if n_trials is not None else None)
    name = f"{folder.resolve().parent.name} {folder.resolve().name}"
    return Sweep(folder, name, tuple(keys), metric, mode, tuple(jobs), planned, objectives)


def read_plan(folder: Path) -> list[dict[str, str]]:
    """Return what a sweep planned for each job, or nothing where no plan can be read."""
    try:
        plan: list[dict[str, str]] = json.loads((folder / "jobs.json").read_text())
    except (OSError, ValueError):
        return []
    return [{current_override(key): value for key, value in job.items()} for job in plan]


def _monitor(jobs: list[Job], metric: str, mode: str) -> tuple[str, str]:
    """Return an experiment's own monitor, which multirun.yaml shows too unless the experiment itself is swept."""
    for job in jobs:
        if isinstance(found := job.config.get("monitor"), dict):
            return str(found["metric"]), str(found["mode"])
    return metric, mode


def _read_job(sweep: Path, number: int, keys: list[str], plan: list[dict[str, str]]) -> Job:
    folder = sweep / str(number)
    swept = {key.lstrip("+"): value for key, value in plan[number].items()} if number < len(plan) else {}
    overrides = tuple(recorded_overrides(folder))
    if not swept and overrides:
        typed = dict(override.partition("=")[::2] for override in overrides)
        swept = {key: typed.get(key, typed.get(f"+{key}", "")) for key in keys}
    summary, status = read_summary(folder), status_of(folder)
    config: dict[str, Any] = {}
    if (folder / ".hydra" / "config.yaml").is_file():
        found = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "config.yaml"), resolve=False)
        config = {current_override(str(key)): value for key, value in found.items()} if isinstance(found, dict) else {}
    pairs: list[tuple[str, str]] = []
    if (folder / "held_out.csv").is_file():
        with (folder / "held_out.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            pairs = [(row[0], row[1]) for row in list(csv.reader(file))[1:] if len(row) == 2]
    error = str(summary.get("error") or "") if status == "failed" else ""
    return Job(number, folder, swept, status, error, summary, config, tuple(pairs), overrides)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys and values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
