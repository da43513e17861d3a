"""Since when a training's user has been waiting."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

_TRAININGS = count()


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
