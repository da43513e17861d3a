"""``make sweep``: ``make train`` for many settings, one after another in this process or by a launcher."""

from __future__ import annotations

import gc
import sys
import traceback
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from adain.cli.app import fail, run
from adain.cli.preflight.jobs import MultirunPlan, plan_jobs, preflight_jobs
from adain.cli.report import report
from adain.cli.train import PATHS, train
from adain.runtime.errors import UserError
from adain.runtime.files import point_latest
from adain.runtime.quoting import quote, quoted, unquoted
from adain.runtime.schema import current_override
from adain.sweeps.folder import find_sweep
from adain.training.resume import is_checkpoint

_OURS = ("resume", "wandb_sweep")
_HELP = """make sweep KEY=A,B [KEY=C,D] [key=value ...] : every combination, ranked in a table and a page
make sweep sweep=style_weight|learning_rate|seeds|strategy|optuna [key=value ...] : ready-made

resume=latest                   or a sweep's folder: go on with a sweep that was stopped
wandb_sweep=FILE                write the same sweep for wandb's own agents, and end
hydra.sweeper.n_trials=20       of sweep=optuna
hydra/launcher=basic            or joblib, ray, submitit_slurm: where the jobs run"""


def job(config: DictConfig) -> float | None:
    """One job: a training run that does not take the others along when it fails, and goes on where it was cut.

    Returns:
        The best monitored value; None if the job failed, which its ``summary.json`` says.
    """
    from hydra.core.hydra_config import HydraConfig

    from adain.training.run_summary import close_wandb, mark

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    print(f"\njob {hydra.sweep.subdir}: {config.run.name}", flush=True)
    last = folder / "checkpoints" / "last.ckpt"
    if is_checkpoint(last):
        config.ckpt = str(last)
    extra = []
    if "n_trials" in hydra.sweeper and hydra.sweeper.pruner is not None:
        from adain.sweeps.study import prune_trial

        extra.append(prune_trial(hydra, str(config.monitor.metric)))
    try:
        return train(config, extra)
    except Exception as error:
        # no exception goes on from here: its frames hold the job's tensors until the sweep ends
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, UserError):
            traceback.print_exc()
        mark(folder, "failed", message)
        print(f"job {hydra.sweep.subdir} failed: {message.splitlines()[0]}", file=sys.stderr, flush=True)
    finally:
        close_wandb(1)  # does nothing where training has done it
        gc.collect()
    return None


def resumed(typed: list[str], wanted: str) -> list[str]:
    """The overrides of a sweep that exists, then what is typed, and its folder.

    Raises:
        UserError: If there is no such sweep.
    """
    folder = find_sweep(wanted, logs_of(typed), "resume")
    recorded = OmegaConf.load(folder / "multirun.yaml").hydra.overrides
    given = {argument.partition("=")[0].lstrip("+") for argument in typed}
    before = [
        o
        for o in (current_override(str(override)) for override in [*recorded.task, *recorded.hydra])
        if (key := o.partition("=")[0].lstrip("+")) not in given and key not in ("hydra.sweep.dir", "hydra.mode")
    ]
    return [*before, *typed, f"hydra.sweep.dir={quote(str(folder))}"]


def logs_of(arguments: list[str]) -> Path:
    """The folder of all outputs, of overrides that are quoted or not."""
    return Path(unquoted(next((a.partition("=")[2] for a in arguments if a.startswith("logs=")), "logs"))).expanduser()


def free_folder(plan: MultirunPlan) -> Path:
    """The sweep's folder, with a number behind it where two start in one second."""
    folder, count = plan.folder, 2
    while folder.exists():
        folder, count = plan.folder.with_name(f"{plan.folder.name}_{count}"), count + 1
    return folder


def prepare(arguments: list[str]) -> tuple[list[str], Path]:
    """What is typed as Hydra's arguments, and the sweep's folder.

    Raises:
        UserError: If something cannot be used.
    """
    own = {key: value for key, _, value in (a.partition("=") for a in arguments) if key in _OURS}
    typed = [a for a in arguments if a.partition("=")[0] not in _OURS and a not in ("-m", "--multirun")]
    if any(a.partition("=")[0] == "ckpt" for a in typed):
        raise UserError("ckpt= goes on with one run (make train); a sweep goes on with resume=latest or resume=PATH")
    typed = [quoted(a, PATHS, many=True) for a in typed]
    if own.get("resume") not in (None, "", "null"):
        typed = resumed(typed, own["resume"])
    if own.get("wandb_sweep"):
        from adain.sweeps.wandb_file import write_wandb_sweep

        plan = preflight_jobs("train", typed)
        print(write_wandb_sweep(plan.config, plan.fixed, plan.axes, Path(own["wandb_sweep"])))
        sys.exit(0)
    plan = plan_jobs("train", typed)
    if any(a.startswith("hydra.sweep.dir=") for a in typed):
        return typed, plan.folder
    folder = free_folder(plan)
    return [*typed, f"hydra.sweep.dir={quote(str(folder))}"], folder


def finish(folder: Path, logs: Path, code: int) -> None:
    """The table and the page, and how the sweep ended as the exit status."""
    if code == 1 or not (folder / "multirun.yaml").is_file():
        sys.exit(code or 1)  # it was refused before it began
    point_latest(logs / "sweeps" / "latest", folder)
    sweep = report(folder)
    again = f"make sweep resume={'latest' if folder.resolve() == (logs / 'sweeps' / 'latest').resolve() else folder}"
    again += "" if logs == Path("logs") else f" logs={logs}"
    if code:
        print(f"stopped with {sweep.remaining} jobs to go; next: {again}")
        sys.exit(code)
    if failed := [job for job in sweep.jobs if job.status == "failed"]:
        listed = ", ".join(str(job.number) for job in failed)
        fail(
            f"{len(failed)} of {len(sweep.jobs)} jobs failed (job {listed}): see the errors above; {again} tries again"
        )
    if left := [job for job in sweep.jobs if job.status not in ("finished", "pruned")]:
        fail(f"{len(left)} of {len(sweep.jobs)} jobs did not finish: {again} goes on with them")


def main() -> None:
    """The command."""
    if any(a.startswith("-") and a not in ("-m", "--multirun") for a in sys.argv[1:]):
        run("train", train, PATHS, _HELP)  # --help and the like
        return
    code = 0
    try:
        arguments, folder = prepare(sys.argv[1:])
        logs = logs_of(arguments)
        sys.argv[1:] = ["--multirun", *arguments]
        try:
            run("train", job, PATHS)
        except SystemExit as end:
            code = int(end.code or 0)
        finish(folder, logs, code)
    except UserError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
