from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.sweeps import write_sweep


@pytest.fixture
def make_sweep(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep: see ``write_sweep``."""
    return partial(write_sweep, tmp_path)
