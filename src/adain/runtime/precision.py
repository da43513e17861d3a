"""Choose the fastest precision by the kind of device, so that the same machine always gives the same answer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Literal, get_args

import torch

from adain.runtime.errors import InputError
from adain.runtime.schema import Arithmetic, Concrete

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


BF16_PAYS_ON: dict[tuple[int, int], bool] = {
    (10, 0): True,  # Blackwell and later; not measured
    (9, 0): True,  # Hopper: a training step in bfloat16 is the fastest measured
    (8, 0): True,  # Ampere and Ada: matrix units for bfloat16; not measured
    (7, 0): False,  # Volta and Turing: matrix units for float16 alone
    (0, 0): False,
}
"""Where bfloat16 beats float32, from a GPU's compute capability on. Measured by the same command."""


def fastest_precision(device: torch.device) -> Concrete:
    """Return ``bf16-mixed`` where it is faster than ``32-true`` (Lightning's names).

    A GPU's compute capability decides, or a CPU's instruction set; see ``BF16_PAYS_ON`` and ``BF16_PAYS``.
    """
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        pays = next(pays for least, pays in BF16_PAYS_ON.items() if capability >= least)
    else:
        pays = device.type == "cpu" and BF16_PAYS[instruction_set()]
    return "bf16-mixed" if pays else "32-true"


def inference_precision(device: torch.device, asked: Arithmetic) -> Concrete:
    """Return the precision that pictures are made in.

    Args:
        device: Where.
        asked: ``auto``: the fastest on a GPU; on a CPU float32, so that every processor makes the same pictures.

    Raises:
        InputError: If it is unknown.
    """
    if asked not in get_args(Arithmetic):
        raise InputError(f"precision={asked} is unknown: choose one of {', '.join(get_args(Arithmetic))}")
    if asked != "auto":
        return asked
    return fastest_precision(device) if device.type == "cuda" else "32-true"


def allow_tf32(allowed: bool) -> None:
    """Choose whether a GPU may round the factors of float32 products and convolutions to TF32, with 10 bits for 23.

    torch allows it for convolutions alone, and says so nowhere. It holds for the whole process.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """Return the layout of feature maps: channels last on a CPU and a GPU, and elsewhere for 16-bit matrix units.

    ``winograd`` is faster with it on a CPU in any precision, and a GPU's kernels know no other; see docs/decisions.md.
    """
    last = device.type in ("cpu", "cuda") or "16" in precision
    return torch.channels_last if last else torch.contiguous_format


@contextlib.contextmanager
def arithmetic(device: torch.device, precision: Concrete) -> Iterator[None]:
    """Make pictures in a precision: ``32-true`` is float32 to the last bit, without TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
