"""Choose the fastest precision by the kind of device, so that the same machine always gives the same answer."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from adain.runtime.errors import InputError
from adain.runtime.schema import Arithmetic

InstructionSet = Literal["amx", "avx512_bf16", "avx512", "avx2", "other"]
"""What oneDNN, which runs torch's CPU convolutions, can use; ``other`` includes every processor that is not x86."""

BF16_PAYS: dict[InstructionSet, bool] = {
    "amx": True,  # a training step at 256 px is 3.3 times faster
    "avx512_bf16": True,  # 2.1 times faster
    "avx512": False,  # emulated, several times slower
    "avx2": False,  # emulated, a hundred times slower
    "other": False,  # not measured
}
"""Where bfloat16 beats float32. Measured by ``make bench bench=stages precisions=32-true,bf16-mixed``."""


def instruction_set() -> InstructionSet:
    """Return the best instruction set that oneDNN may use on this CPU. ``ONEDNN_MAX_CPU_ISA`` can lower it."""
    cpu = torch.cpu
    present = {
        "amx": cpu._is_amx_tile_supported(),
        "avx512_bf16": cpu._is_avx512_bf16_supported(),
        "avx512": cpu._is_avx512_supported(),
        "avx2": cpu._is_avx2_supported(),
        "other": True,
    }
    order = get_args(InstructionSet)
    allowed = order[order.index(_limit(os.environ.get("ONEDNN_MAX_CPU_ISA", ""))) :]
    return next(name for name in allowed if present[name])


def _limit(value: str) -> InstructionSet:
    """Return the instruction set that a value of ``ONEDNN_MAX_CPU_ISA`` allows. Unknown values set no limit."""
    value = value.upper()
    if value.startswith(("SSE", "AVX2")) or value == "AVX":
        return "avx2" if value.startswith("AVX2") else "other"
    if value in ("AVX512_CORE", "AVX512_CORE_VNNI"):
        return "avx512"
    if value in ("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"):
        return "avx512_bf16"
    return "amx"


def fastest_precision(device: torch.device) -> Arithmetic:
    """Return ``bf16-mixed`` where it is faster than ``32-true`` (Lightning's names).

    A GPU's capability decides, or a CPU's instruction set; see ``BF16_PAYS``.
    """
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        pays = device.type == "cpu" and BF16_PAYS[instruction_set()]
    return "bf16-mixed" if pays else "32-true"


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """Return the layout of feature maps: channels last on a CPU, and for 16-bit matrix units.

    ``winograd`` is faster with it on a CPU in any precision; see docs/decisions.md.
    """
    return torch.channels_last if device.type == "cpu" or "16" in precision else torch.contiguous_format


def arithmetic(device: torch.device, precision: Arithmetic) -> torch.autocast:
    """Return the autocast context for inference.

    Raises:
        InputError: If the precision is unknown.
    """
    if precision not in get_args(Arithmetic):
        raise InputError(f"precision={precision} is unknown: choose one of {', '.join(get_args(Arithmetic))}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
