"""Available memory, and an allocator setting that keeps the kernel from clearing the same pages again and again."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

import torch

_CGROUPS = Path("/sys/fs/cgroup")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# cgroup versions 2 and 1: limit, usage, statistics, and the statistic of cached files, which the kernel can drop
_LIMITS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc, malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse large blocks instead of returning each to the kernel.

    A training step allocates and frees hundreds of feature maps of several megabytes. By default each is a new mapping
    whose pages the kernel must clear first. Peak memory stays about the same.

    Returns:
        Whether the setting took effect; False if the allocator is not glibc's.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def give_back_freed_memory() -> None:
    """Return all free blocks to the kernel. Does nothing if the allocator is not glibc's."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def reset_peak_memory(device: torch.device) -> bool:
    """Make ``peak_memory`` count from now on. Return whether it can: for a CPU only Linux does."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def peak_memory(device: torch.device) -> int:
    """Return the most bytes held since ``reset_peak_memory``: allocated on a GPU, else resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        return process_memory("VmHWM")
    except OSError:  # no Linux: since the process started
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def process_memory(field: str) -> int:
    """Return a field of Linux's ``/proc/self/status`` in bytes: ``VmRSS`` is resident now, ``VmHWM`` its peak."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def available_memory(device: torch.device) -> int:
    """Return the bytes still available on a device: a GPU's memory, or the machine's within the container's limit.

    Assumes 4 GB if the system does not say (outside Linux).
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # kept by torch, for torch
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4_000_000_000
    for limit, used, statistics, idle in _LIMITS:
        try:
            taken = int((_CGROUPS / used).read_text()) - _statistic(_CGROUPS / statistics, idle)
            free = min(free, int((_CGROUPS / limit).read_text()) - taken)
        except (OSError, ValueError):  # there is no such limit, or it is the word "max"
            continue
    return max(0, free)


def _statistic(path: Path, name: str) -> int:
    """Return a value of ``memory.stat``, or 0 if it is missing."""
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[0] == name)
    except (OSError, StopIteration):
        return 0
