"""What a command sets before anything heavy is imported."""

from __future__ import annotations

import importlib
import os
import signal
import sys

import pytest

import adain.cli


@pytest.mark.parametrize(
    ("argv", "given", "load", "expected"),
    [
        (["python", "-m", "adain.cli.train"], {}, 2.5, "1000"),
        (["python", "-m", "adain.cli.train"], {}, 1.5, None),  # quiet: counting is faster than being woken
        (["python", "/x/.venv/bin/adain-stylize"], {}, 2.5, "1000"),
        (["python", "-m", "adain.cli.train"], {"GOMP_SPINCOUNT": "7"}, 2.5, "7"),
        (["python", "-m", "adain.cli.train"], {"OMP_WAIT_POLICY": "ACTIVE"}, 2.5, None),
        (["python", "-m", "pytest"], {}, 2.5, None),  # a library leaves its user's environment alone
    ],
)
def test_on_a_busy_machine_threads_do_not_wait_long_by_counting_unless_the_user_says_how(
    argv: list[str], given: dict[str, str], load: float, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is put back
        os.environ.pop(name)
    os.environ.update(given)
    before = signal.getsignal(signal.SIGINT)
    try:
        monkeypatch.setattr(sys, "orig_argv", argv)
        importlib.reload(adain.cli)
        assert os.environ.get("GOMP_SPINCOUNT") == expected
    finally:
        signal.signal(signal.SIGINT, before)
