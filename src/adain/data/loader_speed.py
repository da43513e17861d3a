"""What a loader delivers when nobody else works: the same figure for ``make doctor`` and ``make bench bench=load``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

_LEAST = 8  # batches in a measurement


def seconds_per_batch(batches: Iterator[Any], workers: int) -> float:
    """Return the mean time that a running loader takes for a batch while it is only waited for.

    Batches that were loaded before are passed over. Each worker has the same share in what is timed.

    Args:
        batches: Endless.
        workers: Loader processes behind it.
    """
    for _ in range(max(1, 3 * workers)):
        next(batches)
    count = -(-_LEAST // max(1, workers)) * max(1, workers)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - start) / count
