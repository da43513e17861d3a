"""Signals are heard for a while, and given back to those who heard them before."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import pytest

from adain.runtime.signals import SignalHandlers


def _ignore(number: int, frame: FrameType | None) -> None: ...


def test_signals_are_heard_until_they_are_given_back() -> None:
    heard: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    handlers = SignalHandlers(lambda number, frame: heard.append(number), (signal.SIGTERM,))
    signal.raise_signal(signal.SIGTERM)
    handlers.restore()
    handlers.restore()
    assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("submitit", [False, True])
def test_usr2_is_heard_only_where_submitit_listens(submitit: bool) -> None:
    def receive(number: int, frame: FrameType | None) -> None: ...

    before = signal.signal(signal.SIGUSR2, _ignore if submitit else signal.SIG_DFL)
    try:
        handlers = SignalHandlers(receive)
        assert (signal.getsignal(signal.SIGUSR2) is receive) == submitit
        handlers.restore()
        assert signal.getsignal(signal.SIGUSR2) is (_ignore if submitit else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("nohup", [False, True])
def test_a_hangup_stops_a_training_unless_it_is_ignored(nohup: bool) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        handlers = SignalHandlers(lambda number, frame: heard.append(number))
        signal.raise_signal(signal.SIGHUP)
        handlers.restore()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == ([] if nohup else [signal.SIGHUP])


def test_nothing_changes_outside_the_main_thread() -> None:
    before, made = signal.getsignal(signal.SIGTERM), []
    thread = threading.Thread(target=lambda: made.append(SignalHandlers(_ignore)))
    thread.start()
    thread.join()
    assert len(made) == 1
    assert signal.getsignal(signal.SIGTERM) is before
