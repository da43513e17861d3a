"""``make sweep``: ``make train`` for many settings, one after another in this process or by a launcher."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from adain.cli.app import run_hydra, start
from adain.cli.ending import ending
from adain.cli.preflight.jobs import plan_jobs, preflight_jobs
from adain.cli.train import train
from adain.runtime.errors import UserError
from adain.runtime.files import expanded, free_folder
from adain.runtime.quoting import quote, quoted, unquoted
from adain.sweeps.folder import check_same_settings, find_sweep, resumed_overrides, with_seeds
from adain.sweeps.job import run_job
from adain.sweeps.report import finish_sweep

_OURS = ("resume", "wandb_sweep", "seeds")
_HELP = """make sweep KEY=A,B [KEY=C,D] [key=value ...] : every combination, ranked in a table and a page
make sweep sweep=style_weight|learning_rate|seeds|strategy|optuna [key=value ...] : ready-made

resume=latest                   or a sweep's folder: continue a sweep that was stopped
seeds=3                         train every point three times, and give its mean and deviation
'monitor.metric=[A,B]'          minimize two metrics: the report gives the front
wandb_sweep=FILE                write the same sweep for wandb's own agents, and end
hydra.sweeper.n_trials=20       of sweep=optuna
hydra/launcher=basic            or pool, joblib, ray, submitit_slurm: where the jobs run"""


def job(config: DictConfig) -> float | None:
    """Run one job, in whatever process the launcher chose."""
    return run_job(config, train)


def logs_of(arguments: list[str]) -> Path:
    """Return the folder of all outputs, of overrides that are quoted or not."""
    return expanded(unquoted(next((a.partition("=")[2] for a in arguments if a.startswith("logs=")), "logs")))


def prepare(arguments: list[str]) -> tuple[list[str], Path]:
    """Return what is typed as Hydra's arguments, and the sweep's folder.

    Raises:
        UserError: If something cannot be used.
    """
    ours = {key: value for key, _, value in (a.partition("=") for a in arguments) if key in _OURS}
    typed = [a for a in arguments if a.partition("=")[0] not in _OURS and a not in ("-m", "--multirun")]
    if any(a.partition("=")[0] == "ckpt" for a in typed):
        raise UserError("ckpt= continues one run (make train); a sweep continues with resume=latest or resume=PATH")
    typed = [quoted(a, many=True) for a in typed]
    if ours.get("resume") not in (None, "", "null"):
        typed = resumed_overrides(find_sweep(ours["resume"], logs_of(typed), "resume"), typed)
    if "seeds" in ours:
        typed = with_seeds(typed, ours["seeds"])
    if ours.get("wandb_sweep"):
        from adain.sweeps.wandb_file import write_wandb_sweep

        plan = preflight_jobs("train", typed)
        print(write_wandb_sweep(plan.config, plan.fixed, plan.axes, Path(ours["wandb_sweep"])))
        sys.exit(0)
    plan = plan_jobs("train", typed)
    check_same_settings(plan.folder, plan.config, {axis.key for axis in plan.axes})
    if any(a.startswith("hydra.sweep.dir=") for a in typed):
        return typed, plan.folder
    folder = free_folder(plan.folder)  # made after the checks
    return [*typed, f"hydra.sweep.dir={quote(str(folder))}"], folder


def sweep(typed: list[str]) -> None:
    """Run the sweep and report it, however it ends."""
    if any(a.startswith("-") and a not in ("-m", "--multirun") for a in typed):
        return run_hydra("train", train, typed, _HELP)  # --help and the like
    arguments, folder = prepare(typed)
    code = 0
    try:
        with ending():
            run_hydra("train", job, ["--multirun", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    if code == 1 or not (folder / "multirun.yaml").is_file():
        sys.exit(code or 1)  # it was refused before it began
    finish_sweep(folder, logs_of(arguments), code)
    sys.exit(code)


def main() -> None:
    """Run the command."""
    start(sweep)


if __name__ == "__main__":
    main()
