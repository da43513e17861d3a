"""Run checks, and print their findings."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from adain.runtime.mistakes import mistake

if TYPE_CHECKING:
    from rich.console import Console

COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}
"""The color of each level."""
_COLUMN = 31  # where the text starts


class Finding(NamedTuple):
    """One line of a report.

    Attributes:
        level: ``problem`` if the run would fail or be worthless, ``warning`` if the finding needs a look.
        check: Name of the check.
        text: The result, and what to do.
        figures: Numbers for ``doctor.json``.
        file: The file or files concerned, printed below the text on one unbroken line.
    """

    level: Literal["ok", "warning", "problem"]
    check: str
    text: str
    figures: dict[str, Any] = {}  # noqa: RUF012  # never written to
    file: str | None = None


def run_checks(checks: Sequence[tuple[str, Callable[[], list[Finding]]]], console: Console) -> list[Finding]:
    """Run every check and print its findings at once. A check that fails with a user's mistake has it as its finding.

    Returns:
        The findings of all checks.
    """
    findings: list[Finding] = []
    for name, check in checks:
        try:
            results = check()
        except Exception as error:
            if (text := mistake(error)) is None:
                raise
            results = [Finding("problem", name, text)]
        for finding in results:
            show(finding, console)
        findings += results
    return findings


def show(finding: Finding, console: Console) -> None:
    """Print level, check and text in columns, and the file below on one unbroken line."""
    words = textwrap.wrap(
        finding.text, max(20, console.width - _COLUMN), break_long_words=False, break_on_hyphens=False
    ) or [""]
    console.print(f"[{COLORS[finding.level]}]{finding.level:<9}[/]", end="", highlight=False)
    lines = [f"{finding.check:<{_COLUMN - 9}}{words[0]}", *(" " * _COLUMN + line for line in words[1:])]
    if finding.file is not None:
        lines.append(f"         {finding.file}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
