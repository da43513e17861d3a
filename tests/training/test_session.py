from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from adain.runtime.errors import UserError
from adain.training.session import Stopped, alone, stoppable


def _stop_myself(number: int, as_exit: bool = False) -> None:
    with stoppable():
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
    with alone(tmp_path):
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_what_comes_before_the_first_step(number: int, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stop:
        _stop_myself(number)
    assert stop.value.code == code
    assert signal.getsignal(number) is before


def test_the_exit_that_lightning_makes_of_it_is_told_apart() -> None:
    with pytest.raises(Stopped) as stop:
        _stop_myself(signal.SIGINT, as_exit=True)
    assert stop.value.code == 130
    with pytest.raises(SystemExit), stoppable():
        raise SystemExit(3)
