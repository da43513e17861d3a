"""How a command ends: its exit code, and one sentence where it could not do its work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from adain.runtime.extras import as_typed_here
from adain.runtime.mistakes import mistake
from adain.runtime.signals import ENDING, SignalHandlers


@contextmanager
def ending() -> Iterator[None]:
    """Exit as commands do: with 1 and a sentence for a user's mistake, with 128 + n if signal n stopped them.

    SIGTERM and SIGHUP end a command as Ctrl-C does, so that temporary files are removed.
    """
    received: list[signal.Signals] = []
    here = os.getpid()

    def receive(number: int, frame: FrameType | None) -> None:
        if os.getpid() != here:  # a worker that was forked from here
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        received.append(signal.Signals(number))
        sys.exit(128 + number)

    handlers = SignalHandlers(receive, [number for number in ENDING if number != signal.SIGINT])
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)
    except SystemExit:
        if received:
            print(f"stopped by {received[-1].name}", file=sys.stderr)
        raise
    except Exception as error:
        if (text := mistake(error)) is None:
            raise  # a bug: show its traceback
        fail(text)
    finally:
        handlers.restore()


def fail(message: str) -> NoReturn:
    """Print one sentence to stderr and exit with code 1."""
    print(f"error: {as_typed_here(message)}", file=sys.stderr)
    sys.exit(1)
