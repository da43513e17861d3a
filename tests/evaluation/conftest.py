from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pictures import draw_folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures: see ``draw_folders``."""
    return draw_folders(tmp_path_factory.mktemp("pictures"))
