"""``make runs``: the runs and sweeps below ``logs/``, and the command to go on with each or to use it."""

from __future__ import annotations

from pathlib import Path

from adain.cli.app import start
from adain.cli.ending import fail
from adain.sweeps.overview import print_entries


def runs(typed: list[str]) -> None:
    """Print the list."""
    if {"--help", "-h"} & set(typed):
        print(
            "make runs [last=20] : the newest runs and sweeps below logs=logs, each with the command that continues or uses it"
        )
        return
    given = dict(argument.partition("=")[::2] for argument in typed)
    if unknown := sorted(set(given) - {"last", "logs"}):
        fail(f"unknown key {unknown[0]}: make runs takes last=NUMBER and logs=PATH")
    last = given.get("last", "20")
    if not last.isdecimal() or int(last) < 1:
        fail(f"last={last} is not allowed: give a whole number of at least 1")
    print_entries(Path(given.get("logs") or "logs").expanduser(), int(last))


def main() -> None:
    """Run the command."""
    start(runs)


if __name__ == "__main__":
    main()
