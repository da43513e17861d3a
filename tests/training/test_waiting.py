"""The time to the first step counts from where its user began to wait."""

from __future__ import annotations

import subprocess
import sys
import time


def test_the_first_training_counts_from_the_start_of_its_process_and_the_next_from_its_own() -> None:
    script = (
        "import time; up = time.time(); from adain.training.waiting import waiting_since\n"
        "first, between, second, after = waiting_since(), time.time(), waiting_since(), time.time()\n"
        "print(first, up, between, second, after)"
    )
    before = time.time()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, up, between, second, after = map(float, done.stdout.split())
    tick = 0.02  # the system counts a process's age in hundredths
    assert before - tick <= first < up
    assert between - tick <= second <= after
