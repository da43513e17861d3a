"""``make report``: a sweep's ranked table, ``sweep.csv`` and page of plots and pictures; or a run's losses as a picture."""

from __future__ import annotations

from adain.cli.app import start
from adain.cli.arguments import plain_keys
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.sweeps.folder import find_sweep
from adain.sweeps.report import report_sweep
from adain.sweeps.wandb_sync import sync_sweep
from adain.training.curves import report_runs

_HELP = """make report [sweep=latest|PATH] : a sweep's ranked table and page, which are written into its folder
make report sweep=latest|PATH sync=true : also uploads its offline runs, as one sweep of W&B
make report run=latest|PATH|A,B [out=FILE] : a run's losses over its steps as a picture

logs=logs                       where latest is looked for"""


def report(typed: list[str]) -> None:
    """Print a sweep's table and write its page, or draw the losses of runs."""
    given = plain_keys(typed, _HELP, sweep="latest|PATH", sync="true", run="latest|PATH", out="FILE", logs="PATH")
    logs, sync = expanded(given["logs"]), given.get("sync", "false")
    if "run" in given and "sweep" in given:
        raise UserError("run= and sweep= are both given: give one of them")
    if sync not in ("true", "false"):
        raise UserError(f"sync={sync} is not allowed: give true or false")
    if "run" in given and sync == "true":
        raise UserError("sync= is for a sweep: a run's own command to upload it is printed when it starts")
    if "run" in given:
        report_runs(given["run"], given.get("out"), logs)
    elif "out" in given:
        raise UserError("out= is for run=: a sweep's table and page are written into its folder")
    else:
        sweep = report_sweep(find_sweep(given.get("sweep") or "latest", logs, "sweep"))
        if sync == "true":
            print(f"{'W&B sweep':<14}{sync_sweep(sweep)}")


def main() -> None:
    """Run the command."""
    start(report)


if __name__ == "__main__":
    main()
