"""What holds around a training: its start, its folder to itself, and an answer when it is stopped before its first step."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import FrameType

from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.runtime.launched import launched_outside
from adain.runtime.run_folder import TRAINING_LOCK
from adain.runtime.signals import ENDING, SignalHandlers

_TRAININGS = count()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Keep a run's folder to this training. Of several ranks the first keeps it for all.

    Yields:
        Whether this process is the one that keeps it.

    Raises:
        UserError: If another training is at work there: started in the same folder, or resumed twice.
    """
    outside = launched_outside()
    if outside is not None and outside[0] != 0:
        yield False
        return
    with lock(folder / TRAINING_LOCK) as free:
        if not free:
            raise UserError(f"another training is at work in {folder}: wait for it, or give this one another folder")
        yield True


@contextlib.contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end what comes before the first step; from there on ``LastCheckpoint`` hears them.

    Raises:
        SystemExit: With 128 + the signal, in place of ``KeyboardInterrupt``, and of the exit that Lightning makes of it.
    """
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    handlers = SignalHandlers(receive, ENDING)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if not received:
            raise
        _say_stopped(received[0], folder)
        raise SystemExit(128 + received[0]) from None
    finally:
        handlers.restore()


def _say_stopped(number: int, folder: Path) -> None:
    word = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    last = folder / "checkpoints" / "last.ckpt"
    kept = (
        f"continue with ckpt={last}"
        if last.exists()
        else "before its first step, so nothing was kept: type the same again"
    )
    print(f"\nstopped by {word}: {kept}", file=sys.stderr)


def waiting_since() -> float:
    """Return the time that the training which starts now is counted from.

    Returns:
        For the first of a process the start of the process, imports included; for a sweep's later jobs, which need no
        imports, now. Seconds since the epoch.
    """
    return time.time() - (_age() if next(_TRAININGS) == 0 else 0.0)


def _age() -> float:
    """Of this process, in seconds; 0 where the system does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # from boot to its start
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # not Linux
        return 0.0
