"""What checks find out, and how it is shown."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from adain.runtime.mistakes import mistake

if TYPE_CHECKING:
    from rich.console import Console

COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}
"""Levels, and how they are shown."""
_COLUMN = 31  # where what was found begins


class Finding(NamedTuple):
    """One line of a report.

    Attributes:
        level: ``problem`` if the run would fail or be worthless, ``warning`` if it is worth a look.
        check: What was looked at.
        text: What was found, and what to do.
        figures: For ``doctor.json``.
        file: One that it is about, or several, shown below the text and never broken.
    """

    level: Literal["ok", "warning", "problem"]
    check: str
    text: str
    figures: dict[str, Any] = {}  # noqa: RUF012  # never written to
    file: str | None = None


def run_checks(checks: Sequence[tuple[str, Callable[[], list[Finding]]]], console: Console) -> list[Finding]:
    """Make every check, whatever the others find, and show its findings at once.

    Args:
        checks: Names, for a check that ends with a mistake of the user's, and what makes them.
        console: Where findings are shown.
    """
    findings: list[Finding] = []
    for name, check in checks:
        try:
            made = check()
        except Exception as error:
            if (text := mistake(error)) is None:
                raise
            made = [Finding("problem", name, text)]
        for finding in made:
            show(finding, console)
        findings += made
    return findings


def show(finding: Finding, console: Console) -> None:
    """Print level, check and text in columns; a file below, on a line that is never broken."""
    words = textwrap.wrap(
        finding.text, max(20, console.width - _COLUMN), break_long_words=False, break_on_hyphens=False
    ) or [""]
    console.print(f"[{COLORS[finding.level]}]{finding.level:<9}[/]", end="", highlight=False)
    lines = [f"{finding.check:<{_COLUMN - 9}}{words[0]}", *(" " * _COLUMN + line for line in words[1:])]
    if finding.file is not None:
        lines.append(f"         {finding.file}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
