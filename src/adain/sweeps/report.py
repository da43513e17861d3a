"""What a sweep came to: the table, ``sweep.csv`` and the page; and how its command ends."""

from __future__ import annotations

import shlex
from pathlib import Path

from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here, install_command
from adain.runtime.files import point_latest, relative
from adain.sweeps.ranking import rank
from adain.sweeps.results import Sweep, read_sweep
from adain.sweeps.table import show, write_csv
from adain.sweeps.wandb_sync import Upload
from adain.sweeps.winner import print_best, write_best


def report_sweep(folder: Path) -> Sweep:
    """Read a sweep's folder, print the table and write ``sweep.csv`` and ``report.html`` into it.

    Raises:
        UserError: If it holds no sweep, or may not be written.
    """
    sweep = read_sweep(folder)
    ranking = rank(sweep)
    show(sweep, ranking)
    try:
        write_best(sweep, ranking)
        print(f"\ntable         {relative(write_csv(sweep, ranking))}")
        try:
            from adain.sweeps.page import write_page
        except ModuleNotFoundError as error:
            if error.name != "plotly":
                raise
            print(f"page          left out: plotly is missing: {install_command('sweep')}")
        else:
            print(f"page          {relative(write_page(sweep, ranking))}")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror or error}): free space there, or copy it"
        ) from None
    print_best(sweep, ranking)
    if upload := Upload.of(sweep):
        print(f"{'W&B':<14}{upload.jobs} jobs were kept offline; as one sweep of W&B: {upload.command}")
    return sweep


def finish_sweep(folder: Path, logs: Path, code: int) -> None:
    """Make it the latest sweep, report it, and say what to type if it is not done.

    The code is what its jobs ended with: 128 + the signal if they were told to stop.

    Raises:
        UserError: If a job failed or did not finish.
    """
    latest = logs / "sweeps" / "latest"
    point_latest(latest, folder)
    sweep = report_sweep(folder)
    again = f"make sweep resume={'latest' if folder.resolve() == latest.resolve() else folder}"
    again = as_typed_here(again if logs == Path("logs") else f"{again} " + shlex.quote(f"logs={logs}"))
    if code:
        print(f"stopped with {sweep.remaining} jobs to go; next: {again}")
    elif failed := [str(job.number) for job in sweep.jobs if job.status == "failed"]:
        raise UserError(
            f"{len(failed)} of {len(sweep.jobs)} jobs failed (job {', '.join(failed)}): see the errors above; {again} tries "
            "again"
        )
    elif left := [job for job in sweep.jobs if job.status not in ("finished", "pruned")]:
        raise UserError(f"{len(left)} of {len(sweep.jobs)} jobs did not finish: {again} continues them")
