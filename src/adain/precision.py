"""Which arithmetic is fast here."""

from __future__ import annotations

import time
from functools import cache
from typing import get_args

import torch
import torch.nn.functional as F

from adain.choices import Arithmetic
from adain.errors import UserError


@cache  # the jobs of a sweep share one answer, whatever else the machine does meanwhile
def fastest_precision(device: torch.device) -> str:
    """``bf16-mixed`` where it is faster than ``32-true``, in Lightning's words.

    A GPU is asked. A CPU is measured, in a twentieth of a second: one with AVX-512 or AMX bfloat16 instructions runs a
    3x3 convolution about twice as fast with them, one without several times slower, and one without AVX-512 a hundred
    times, which a small convolution shows at once.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device.type != "cpu":
        return "32-true"
    with torch.no_grad():
        hopeless = _seconds(torch.bfloat16, 32) > 4 * _seconds(torch.float32, 32)
        if hopeless or _seconds(torch.bfloat16, 128) >= 0.8 * _seconds(torch.float32, 128):
            return "32-true"
        return "bf16-mixed"


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """How feature maps are laid out: channels last on a CPU, and for the matrix units of 16-bit arithmetic.

    ``winograd`` wants it on a CPU in any precision; see docs/decisions.md.
    """
    return torch.channels_last if device.type == "cpu" or "16" in precision else torch.contiguous_format


def arithmetic(device: torch.device, precision: Arithmetic) -> torch.autocast:
    """The context in which networks without gradients run.

    Raises:
        UserError: If the word is unknown.
    """
    if precision not in get_args(Arithmetic):
        raise UserError(f"precision={precision} is unknown: choose one of {', '.join(get_args(Arithmetic))}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")


def _seconds(dtype: torch.dtype, channels: int) -> float:
    """The fastest of a few convolutions."""
    features = torch.ones(1, channels, channels // 4, channels // 4, dtype=dtype)
    weight = torch.ones(channels, channels, 3, 3, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        F.conv2d(features, weight, padding=1)
        best = min(best, time.perf_counter() - start)
    return best
