"""Handle the signals that stop a run, and restore the previous handlers afterwards."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

Receive = Callable[[int, FrameType | None], None]

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask a process to end. A terminal or connection that is closed sends HUP."""
STOPPING = (*ENDING, signal.SIGUSR2)
"""Signals that stop a training. SLURM sends USR2 shortly before a job's time limit, and submitit then requeues the job."""


class SignalHandlers:
    """Handle signals from construction until ``restore``.

    Does nothing outside the main thread, where Python allows no handlers. SIGUSR2 is handled only if another handler,
    submitit's, is installed for it, and SIGHUP only if it is not ignored, as it is under nohup.
    """

    def __init__(self, receive: Receive, numbers: Iterable[signal.Signals] = STOPPING) -> None:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in numbers:
            handler = signal.getsignal(number)
            unheard = (number == signal.SIGUSR2 and not callable(handler)) or (
                number == signal.SIGHUP and handler is signal.SIG_IGN
            )
            if not unheard:
                self._before[number] = signal.signal(number, receive)

    def restore(self) -> None:
        """Restore the previous handlers. A second call does nothing."""
        while self._before:
            number, handler = self._before.popitem()
            if handler is not None:  # None means that it was not set from Python
                signal.signal(number, handler)
