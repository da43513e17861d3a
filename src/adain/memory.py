"""Keeping freed memory, so that the CPU does not clear the same pages at every step."""

from __future__ import annotations

import ctypes
import sys

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
