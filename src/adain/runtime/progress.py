"""A progress bar with the time left: on a terminal tqdm's, in a log file one line for each tenth."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm

QUIET_SECONDS = 5
"""How long work goes on before a log file gets its first line."""


class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """tqdm's bar, with the same arguments. Into a file or a pipe it prints a line per 10 %, after the first ``QUIET_SECONDS``.

    A bar inside another prints no line there, unless it is ``long``. Where the total is unknown, a line comes at 100 and
    whenever that has doubled.
    """

    def __init__(self, *args: Any, long: bool = False, **options: Any) -> None:
        self._said, self._long = 0, long
        super().__init__(*args, **options)
        if not self.disable and not self._is_terminal():
            self.delay, self.leave, self.mininterval = options.get("delay", QUIET_SECONDS), False, 0

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show where the work is."""
        if self._is_terminal():
            super().display(msg, pos)
            return
        if self.pos and not self._long:
            return
        reached = int(10 * self.n / self.total) if self.total else int(self.n // 100).bit_length()
        if reached <= self._said or (self.total and self.n >= self.total):  # the result's own line says the end
            return
        self._said = reached
        values = self.format_dict
        rate = values["rate"] or (self.n - self.initial) / max(values["elapsed"], 1e-9)
        left = f", {tqdm.format_interval((self.total - self.n) / rate)} left" if self.total and rate else ""
        count = f"{10 * reached} %, {self.n} of {self.total}" if self.total else f"{self.n}"
        name = f"{self.desc.removesuffix(': ')}: " if self.desc else ""
        self.fp.write(f"{name}{count} {self.unit}s{left}\n")
        self.fp.flush()

    def clear(self, *args: Any, **options: Any) -> None:
        """Make room for a line above the bar; in a log file there is nothing to clear."""
        if self._is_terminal():
            super().clear(*args, **options)

    def _is_terminal(self) -> bool:
        return bool(getattr(self.fp, "isatty", lambda: False)())
