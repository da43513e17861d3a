"""``make runs``: the runs and sweeps below ``logs/``, and the command that continues or uses each."""

from __future__ import annotations

from adain.cli.app import start
from adain.cli.arguments import plain_keys
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.sweeps.overview import print_entries

_HELP = (
    "make runs [last=20] : the newest runs and sweeps below logs=logs, each with the command that continues or uses it"
)


def runs(typed: list[str]) -> None:
    """Print the list."""
    given = plain_keys(typed, _HELP, last="NUMBER", logs="PATH")
    last = given.get("last", "20")
    if not last.isdecimal() or int(last) < 1:
        raise UserError(f"last={last} is not allowed: give a whole number of at least 1")
    print_entries(expanded(given["logs"]), int(last))


def main() -> None:
    """Run the command."""
    start(runs)


if __name__ == "__main__":
    main()
