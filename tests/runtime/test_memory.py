"""Available memory under a container's limit."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from types import SimpleNamespace

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


CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can count anew")
def test_peak_memory_counts_from_the_reset_on() -> None:
    with mmap.mmap(-1, 2**28) as block:
        block.write(bytes(2**28))
        assert memory.peak_memory(CPU) >= 2**28
    before = memory.peak_memory(CPU)
    assert memory.reset_peak_memory(CPU)
    assert memory.peak_memory(CPU) < before - 2**27


@pytest.mark.parametrize(("platform", "counted"), [("freebsd", 3 * 2**10), ("darwin", 3 * 2**20)])
def test_without_proc_it_is_the_processs_own_peak_in_bytes(
    platform: str, counted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_STATUS", "_CLEAR"):
        monkeypatch.setattr(memory, name, tmp_path / "proc" / "none")
    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(memory.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=counted))
    assert not memory.reset_peak_memory(CPU)
    assert memory.peak_memory(CPU) == 3 * 2**20
