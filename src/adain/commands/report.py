"""``make report sweep=PATH|latest``: a sweep's ranked table, ``sweep.csv`` and a page of plots and pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from adain.commands.app import fail
from adain.errors import UserError
from adain.extras import install_command
from adain.sweeps.folder import find_sweep
from adain.sweeps.results import Sweep, read_sweep


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


def main() -> None:
    """The command."""
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if unknown := sorted(set(given) - {"sweep", "logs"}):
        fail(f"there is no key {unknown[0]}: make report takes sweep=PATH|latest and logs=PATH")
    try:
        report(find_sweep(given.get("sweep") or "latest", Path(given.get("logs") or "logs"), "sweep"))
    except UserError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
