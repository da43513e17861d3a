"""What holds around a training: one at a time in a folder, and an answer when it is stopped before its first step."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.runtime.launched import launched_outside


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps a run's folder to this training. Of several ranks the first keeps it for all.

    Raises:
        UserError: If another training is at work there: started in the same second, or resumed twice.
    """
    outside = launched_outside()
    if outside is not None and outside[0] != 0:
        yield
        return
    with lock(folder / ".training.lock") as free:
        if not free:
            raise UserError(f"another training is at work in {folder}: wait for it, or start this one again")
        yield


class Stopped(Exception):
    """A training was told to stop before it could keep anything.

    Attributes:
        code: For the process to end with, 128 + the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end what comes before the first step; from there on ``callbacks.resumable`` listens.

    Raises:
        Stopped: In place of ``KeyboardInterrupt``, and of the exit that Lightning makes of it.
    """
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if not received:
            raise
        raise Stopped(received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_stopped(stop: Stopped, folder: Path) -> None:
    """How a run ended that was stopped at once."""
    word = "Ctrl-C" if stop.code == 128 + signal.SIGINT else signal.Signals(stop.code - 128).name
    last = folder / "checkpoints" / "last.ckpt"
    kept = (
        f"go on with ckpt={last}"
        if last.exists()
        else "before its first step, so nothing was kept: type the same again"
    )
    print(f"\nstopped by {word}: {kept}", file=sys.stderr)
