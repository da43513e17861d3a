"""What this machine can do at most: matrix rate and bandwidth, measured in the run whose figures stand beside them."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from adain.evaluation.speed.clock import synchronize


class Rates(NamedTuple):
    """The machine's limits for one arithmetic.

    Attributes:
        matmul, convolution: Operations per second of a large matrix product and of a 256-channel 3x3 convolution.
        bandwidth: Bytes per second, read plus written, of copying a tensor larger than the caches.
    """

    matmul: float
    convolution: float
    bandwidth: float

    @property
    def flops(self) -> float:
        """The limit that floors are held against: the better of the two."""
        return max(self.matmul, self.convolution)


def measure(device: torch.device, dtype: torch.dtype, seconds: float = 0.5) -> Rates:
    """Return the limits of a device for float32 or a 16-bit dtype, each the best of what fits into so many seconds."""
    on_gpu = device.type == "cuda"
    side, channels, size, batch = (8192, 256, 128, 32) if on_gpu else (1024, 256, 64, 1)
    memory = 2**30 if on_gpu else 2**27
    with torch.inference_mode():
        a = torch.randn(side, side, device=device, dtype=dtype)
        b = torch.randn(side, side, device=device, dtype=dtype)
        x = torch.randn(batch, channels, size, size, device=device, dtype=dtype)
        w = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        if dtype != torch.float32:
            x = x.to(memory_format=torch.channels_last)
            w = w.to(memory_format=torch.channels_last)
        source = torch.ones(memory // 4, device=device)
        target = torch.empty_like(source)
        matmul = _best(lambda: a @ b, device, seconds)
        conv = _best(lambda: F.conv2d(x, w, padding=1), device, seconds)
        copy = _best(lambda: target.copy_(source), device, seconds)
    return Rates(2 * side**3 / matmul, 2 * 9 * channels**2 * batch * size**2 / conv, 2 * memory / copy)


def _best(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        best = min(best, time.perf_counter() - start)
    return best


def describe(device: torch.device) -> dict[str, Any]:
    """Return what a figure must be read with: processor, threads, versions, device."""
    gpu = device.type == "cuda"
    return {
        "cpu": _cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if gpu else "cpu",
        "gpu": _gpu_name() if torch.cuda.is_available() else "this machine has none: rows of a GPU stay empty",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _gpu_name() -> str:
    card = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{card.name}, {card.total_memory / 2**30:.0f} GiB, compute capability {card.major}.{card.minor}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
