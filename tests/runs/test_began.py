"""The time to the first step counts from where its user began to wait."""

from __future__ import annotations

import subprocess
import sys


def test_the_first_training_counts_from_the_start_of_its_process_and_the_next_from_its_own() -> None:
    script = (
        "import time; time.sleep(0.5); from adain.runs.began import began\n"
        "print(time.time() - began()); print(time.time() - began())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = map(float, done.stdout.split())
    assert first > 0.5
    assert second < 0.1
