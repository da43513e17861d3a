"""What a sweep found: the checkpoint of its winner, or those of its front, for people and for ``decoder=auto``."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from shlex import quote
from typing import Any, cast

from adain.methods.interface import CAPABILITIES
from adain.runtime.extras import as_typed_here
from adain.runtime.files import relative, write_whole
from adain.runtime.schema import MethodName
from adain.sweeps.ranking import Ranking, pareto_layers
from adain.sweeps.results import Job, Sweep

FILE = "winner.json"
"""In the sweep's folder; ``training.checkpoints`` reads its ``job``."""


def best_jobs(sweep: Sweep, ranking: Ranking) -> list[Job]:
    """Return the winner alone, or the jobs of the front; none where jobs cannot be ranked.

    Of a setting with several seeds it is the best job. As long as no job has finished, jobs that have not count.
    """
    if ranking.by == "none":
        return []
    sign = 1 if sweep.mode == "min" else -1

    def value(job: Job) -> float:
        return sign * job.best(sweep.metric)

    first = [min(setting.measured, key=value) for setting in ranking.settings if setting.rank == 1]
    if not first:
        begun = [job for job in sweep.jobs if all(math.isfinite(job.best(m)) for m in (*ranking.axes, sweep.metric))]
        layers = pareto_layers([(job.best(ranking.axes[0]), job.best(ranking.axes[1])) for job in begun])
        first = [job for job, layer in zip(begun, layers, strict=True) if layer == 1]
        if ranking.by == "monitored":
            first = sorted(begun, key=value)[:1]
    return [job for job in first if job.checkpoint is not None]


def print_best(sweep: Sweep, ranking: Ranking) -> None:
    """Print the winner's checkpoint, or the front's, and the command that uses it."""
    jobs = best_jobs(sweep, ranking)
    for job in jobs:
        print(f"{title(sweep, ranking):<14}{relative(cast(Path, job.checkpoint))}  ({describe(job)})")
    if jobs:
        others = " (the middle of the front; which is best is a matter of taste)" if len(jobs) > 1 else ""
        print(f"{'next':<14}{use_command(jobs[len(jobs) // 2])}{others}")


def title(sweep: Sweep, ranking: Ranking) -> str:
    """Return what the best jobs are called."""
    return "best so far" if sweep.remaining else "front" if ranking.by == "pareto" else "winner"


def describe(job: Job) -> str:
    """Return a job's number, swept values and losses in a line."""
    values = ", ".join(job.values)
    losses = f"content {job.best('val/content'):.3f}, style {job.best('val/style'):.3f}"
    return f"job {job.number}: {values}{'; ' if values else ''}{losses}"


def use_command(job: Job) -> str:
    """Return the command that stylizes with a job's checkpoint."""
    method = method_of(job)
    model = "" if method == "adain" else f"model={method} "
    style = " style=FILE" if CAPABILITIES[method].any_style else ""
    return as_typed_here(
        f"make stylize {model}{quote(f'decoder={relative(cast(Path, job.checkpoint))}')} content=FILE{style}"
    )


def train_command(job: Job) -> str:
    """Return the command that trains a job's setting alone."""
    given = (o for o in job.overrides if not o.lstrip("+").startswith(("run.", "sweep=", "hydra", "ckpt=")))
    plain = (re.sub(r"'([\w./~+-]+)'$", r"\1", override) for override in given)  # Hydra's quotes around a plain name
    return as_typed_here(" ".join(["make train", *map(quote, plain)]))


def method_of(job: Job) -> MethodName:
    """Return the word of the model that a job trained."""
    target = str((job.config.get("model") or {}).get("_target_", ""))
    known = (name for name in CAPABILITIES if f".{name}." in target)
    return cast(MethodName, job.summary.get("model") or next(known, "adain"))


def write_best(sweep: Sweep, ranking: Ranking) -> None:
    """Write ``winner.json``: whether all is done, the winner's number, and the best checkpoints, relative to the folder."""
    best = [
        {
            "job": job.number, "model": method_of(job), "swept": job.swept,
            "checkpoint": str(cast(Path, job.checkpoint).relative_to(sweep.folder)),
            **{name: job.best(name) for name in ranking.metrics},
        }
        for job in best_jobs(sweep, ranking)
    ]  # fmt: skip
    content: dict[str, Any] = {
        "finished": sweep.remaining == 0,
        "ranked_by": list(ranking.axes) if ranking.by == "pareto" else sweep.metric if ranking.by != "none" else None,
        "job": best[0]["job"] if len(best) == 1 else None,
        "best": best,
        "hypervolume": ranking.hypervolume,
    }
    write_whole(sweep.folder / FILE, json.dumps(content, indent=2) + "\n")
