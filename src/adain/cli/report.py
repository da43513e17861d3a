"""``make report``: a sweep's ranked table, ``sweep.csv`` and page of plots and pictures; or a run's losses as a picture."""

from __future__ import annotations

from pathlib import Path

from adain.cli.app import start
from adain.cli.ending import fail
from adain.runtime.extras import as_typed_here
from adain.sweeps.folder import find_sweep
from adain.sweeps.report import report_sweep
from adain.sweeps.wandb_sync import sync_sweep
from adain.training.curves import report_runs

_KEYS = {"sweep", "run", "out", "logs", "sync"}
_HELP = """make report [sweep=latest|PATH] : a sweep's ranked table and page, which are written into its folder
make report sweep=latest|PATH sync=true : also uploads its offline runs, as one sweep of W&B
make report run=latest|PATH|A,B [out=FILE] : a run's losses over its steps as a picture

logs=logs                       where latest is looked for"""


def report(typed: list[str]) -> None:
    """Print a sweep's table and write its page, or draw the losses of runs."""
    if {"--help", "-h"} & set(typed):
        print(as_typed_here(_HELP))
        return
    given = dict(argument.partition("=")[::2] for argument in typed)
    if unknown := sorted(set(given) - _KEYS):
        fail(
            f"unknown key {unknown[0]}: make report takes sweep=PATH|latest and sync=, or run=PATH|latest and out=; also logs="
        )
    if "run" in given and "sweep" in given:
        fail("run= and sweep= are both given: give one of them")
    if (sync := given.get("sync", "false")) not in ("true", "false"):
        fail(f"sync={sync} is not allowed: give true or false")
    logs = Path(given.get("logs") or "logs").expanduser()
    if "run" in given and sync == "true":
        fail("sync= is for a sweep: a run's own command to upload it is printed when it starts")
    if "run" in given:
        report_runs(given["run"], given.get("out"), logs)
    elif "out" in given:
        fail("out= is for run=: a sweep's table and page are written into its folder")
    else:
        sweep = report_sweep(find_sweep(given.get("sweep") or "latest", logs, "sweep"))
        if sync == "true":
            print(f"{'W&B sweep':<14}{sync_sweep(sweep)}")


def main() -> None:
    """Run the command."""
    start(report)


if __name__ == "__main__":
    main()
