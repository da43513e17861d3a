from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adain.runtime.errors import UserError
from adain.training.session import alone, stoppable


def _stop_myself(folder: Path, number: int, as_exit: bool = False) -> None:
    with stoppable(folder):
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 5)
        except KeyboardInterrupt:
            if as_exit:
                raise SystemExit(1) from None
            raise


def test_one_training_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(UserError, match="another training is at work"), alone(tmp_path):
        pass
    with alone(tmp_path) as keeps:
        assert keeps


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")],
)
def test_a_signal_ends_what_comes_before_the_first_step(
    number: int, code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stop:
        _stop_myself(tmp_path, number)
    assert stop.value.code == code
    assert signal.getsignal(number) is before
    assert f"stopped by {word}: before its first step, so nothing was kept" in capsys.readouterr().err


def test_the_exit_that_lightning_makes_of_it_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        _stop_myself(tmp_path, signal.SIGINT, as_exit=True)
    assert stop.value.code == 130
    with pytest.raises(SystemExit) as stop, stoppable(tmp_path):
        raise SystemExit(3)
    assert stop.value.code == 3


def test_the_first_training_counts_from_the_start_of_its_process_and_the_next_from_its_own() -> None:
    script = (
        "import time; up = time.time(); from adain.training.session import waiting_since\n"
        "first, between, second, after = waiting_since(), time.time(), waiting_since(), time.time()\n"
        "print(first, up, between, second, after)"
    )
    before = time.time()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, up, between, second, after = map(float, done.stdout.split())
    tick = 0.02  # the system counts a process's age in hundredths
    assert before - tick <= first < up
    assert between - tick <= second <= after
