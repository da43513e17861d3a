"""Memory: how much there is, and keeping what was freed, so that the CPU does not clear the same pages again."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import torch

_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = (  # of versions 2 and 1: limit, use, statistics, and the name there of cached files, which the kernel drops at need
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc, malloc.h


def keep_freed_memory() -> bool:
    """Tells glibc's allocator to reuse large blocks instead of giving each back to the kernel.

    A training step allocates and frees hundreds of feature maps of megabytes. By default each is a fresh mapping whose
    pages the kernel must clear first. The process's peak memory stays about the same; it is given back at exit.

    Returns:
        Whether the allocator took it: only glibc's does.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def give_back_freed_memory() -> None:
    """Gives the kernel what is free now, holes between blocks included; does nothing where the allocator is not glibc's."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def available_memory(device: torch.device) -> int:
    """Bytes that a process may still take on a device: of a GPU, or of the machine and the container it runs in.

    Where the system does not say (it is no Linux), 4 GB are assumed.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4_000_000_000
    for limit, used, statistics, idle in _LIMITS:
        try:
            taken = int((_CGROUPS / used).read_text()) - _statistic(_CGROUPS / statistics, idle)
            free = min(free, int((_CGROUPS / limit).read_text()) - taken)
        except (OSError, ValueError):  # no such limit, or the word max
            continue
    return max(0, free)


def _statistic(path: Path, name: str) -> int:
    """A value of ``memory.stat``, 0 if it is not there."""
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[0] == name)
    except (OSError, StopIteration):
        return 0
