"""The demo page as its tests open it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adain.demo.studio import Limits, Studio

LIMITS = Limits(max_bytes=2_000_000, max_pixels=8_000_000, side=96, live_side=48)


@dataclass
class Served:
    """A server that runs."""

    url: str
    folder: Path
    studio: Studio
    page: Any
