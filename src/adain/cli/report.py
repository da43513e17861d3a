"""``make report``: a sweep's ranked table, ``sweep.csv`` and page of plots and pictures; or a run's losses as a picture."""

from __future__ import annotations

import sys
from pathlib import Path

from adain.cli.app import fail
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command
from adain.runtime.files import relative
from adain.sweeps.folder import find_sweep
from adain.sweeps.results import Sweep, read_sweep
from adain.training.curves import KINDS, draw_curves, read_curves

_KEYS = {"sweep", "run", "out", "logs"}
_HELP = """make report [sweep=latest|PATH] : a sweep's ranked table and page, which are written into its folder
make report run=latest|PATH|[SEVERAL] [out=FILE] : a run's losses over its steps as a picture

logs=logs                       where latest is looked for"""


def report(folder: Path) -> Sweep:
    """Reads a sweep's folder, prints the table and writes ``sweep.csv`` and ``report.html`` into it.

    Raises:
        UserError: If it holds no sweep, or may not be written.
    """
    from adain.sweeps.ranking import rank
    from adain.sweeps.table import show, write_csv

    sweep = read_sweep(folder)
    ranking = rank(sweep)
    show(sweep, ranking)
    try:
        print(f"\ntable         {write_csv(sweep, ranking)}")
        try:
            from adain.sweeps.page import write_page
        except ModuleNotFoundError as error:
            if error.name != "plotly":
                raise
            print(f"page          left out: plotly is missing: {install_command('sweep')}")
        else:
            print(f"page          {write_page(sweep, ranking)}")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror or error}): free space there, or copy it"
        ) from None
    return sweep


def report_runs(wanted: str, out: str | None, logs: Path) -> None:
    """Draws the losses of one run, or of several beside each other.

    Args:
        wanted: ``latest``, a run's folder, or ``[several,folders]``.
        out: The picture; by default ``curves.png`` in the (first) run's folder.
        logs: Where outputs go.

    Raises:
        UserError: If a folder holds no run, or the picture cannot be written.
    """
    words = [word.strip() for word in wanted.strip("[]").split(",") if word.strip()]
    folders = [logs / "latest" if word == "latest" else Path(word).expanduser() for word in words]
    if not folders:
        raise UserError(f"run={wanted} names no run: give latest, a run's folder, or [several,folders]")
    for word, folder in zip(words, folders, strict=True):
        if not folder.is_dir():
            raise UserError(f"run={word} is no folder: give latest or a run's folder, as in {logs}/runs/NAME/DATE_TIME")
    folders = [folder.resolve() for folder in folders]
    path = Path(out).expanduser() if out else folders[0] / "curves.png"
    if path.suffix not in KINDS:
        raise UserError(f"out={out} must end in {', '.join(KINDS)}")
    names = [f"{folder.parent.name} {folder.name}" for folder in folders]
    try:
        draw_curves(path, [read_curves(folder, name) for folder, name in zip(folders, names, strict=True)])
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise UserError(f"matplotlib is missing: {install_command('compare')}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give out=FILE") from None
    print(f"curves        {relative(path)}")


def main() -> None:
    """The command."""
    if {"--help", "-h"} & set(sys.argv):
        print(_HELP)
        return
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if unknown := sorted(set(given) - _KEYS):
        fail(
            f"there is no key {unknown[0]}: make report takes sweep=PATH|latest, or run=PATH|latest with out=FILE; also logs="
        )
    if "run" in given and "sweep" in given:
        fail("run= and sweep= are both given: give one of them")
    logs = Path(given.get("logs") or "logs").expanduser()
    try:
        if "run" in given:
            report_runs(given["run"], given.get("out"), logs)
        elif "out" in given:
            fail("out= is for run=: a sweep's table and page are written into its folder")
        else:
            report(find_sweep(given.get("sweep") or "latest", logs, "sweep"))
    except UserError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
