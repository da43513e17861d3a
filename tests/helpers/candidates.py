"""A contestant of a benchmark whose clock stands still."""

from __future__ import annotations

from collections.abc import Mapping

from adain.evaluation.speed.clock import Stages


class Fixed:
    """Its stages take the seconds that they are said to take."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds

    def stages(self) -> Stages:
        return [(name, lambda seconds=seconds: seconds) for name, seconds in self.seconds.items()]
