"""A benchmark's candidate whose clock stands still."""

from __future__ import annotations

from collections.abc import Mapping

from adain.evaluation.speed.clock import Stages


def fixed(seconds: Mapping[str, float]) -> Stages:
    """Return stages that take the seconds that they are said to take."""
    return [(name, lambda seconds=seconds: seconds) for name, seconds in seconds.items()]
