"""Signals that stop a run, heard for a while in place of those who heard them before."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

Receive = Callable[[int, FrameType | None], None]

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""Signals that end a run. SLURM sends USR2 before its time is up, to submitit, which then queues the job again."""


class SignalHandlers:
    """Hears signals from its making until ``restore``.

    Python lets only the main thread listen; elsewhere nothing changes. SIGUSR2 is heard only where somebody, submitit,
    listens for it.

    Args:
        receive: Is called with each signal.
        numbers: Which ones.
    """

    def __init__(self, receive: Receive, numbers: Iterable[signal.Signals] = STOPPING) -> None:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is not threading.main_thread():
            return
        for number in numbers:
            if number != signal.SIGUSR2 or callable(signal.getsignal(number)):
                self._before[number] = signal.signal(number, receive)

    def restore(self) -> None:
        """Give the signals back; a second call does nothing."""
        while self._before:
            number, handler = self._before.popitem()
            if handler is not None:  # None: it was not set from Python
                signal.signal(number, handler)
