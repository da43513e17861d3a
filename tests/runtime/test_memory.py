"""Available memory under a container's limit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adain.runtime import memory


@pytest.mark.parametrize(("limit", "used", "statistics", "name"), memory._LIMITS)
def test_cached_files_count_as_available_under_a_container_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: str, statistics: str, name: str
) -> None:
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    for file, text in ((limit, "9000000"), (used, "8000000"), (statistics, f"file 7\n{name} 5000000\n")):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    assert memory.available_memory(torch.device("cpu")) == 6_000_000
    (tmp_path / statistics).unlink()
    assert memory.available_memory(torch.device("cpu")) == 1_000_000
