"""The precision is chosen by the kind of processor or GPU, never by how busy it is."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from adain.runtime import precision
from adain.runtime.errors import InputError
from adain.runtime.precision import (
    BF16_PAYS,
    InstructionSet,
    allow_tf32,
    arithmetic,
    fastest_precision,
    inference_precision,
    instruction_set,
)

CPU = torch.device("cpu")
PRESENT = {  # a processor of each kind, by what torch says of it: AMX, AVX-512 with bfloat16, AVX-512, AVX2
    "amx": (True, True, True, True),
    "avx512_bf16": (False, True, True, True),
    "avx512": (False, False, True, True),
    "avx2": (False, False, False, True),
    "other": (False, False, False, False),
}


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> object:
    """Make torch report a processor of the named kind."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)

    def pretend(name: str) -> None:
        questions = (
            "_is_amx_tile_supported",
            "_is_avx512_bf16_supported",
            "_is_avx512_supported",
            "_is_avx2_supported",
        )
        for question, answer in zip(questions, PRESENT[name], strict=True):
            monkeypatch.setattr(torch.cpu, question, lambda answer=answer: answer)

    return pretend


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("amx", "bf16-mixed"),
        ("avx512_bf16", "bf16-mixed"),
        ("avx512", "32-true"),
        ("avx2", "32-true"),
        ("other", "32-true"),
    ],
)
def test_the_instruction_set_of_a_cpu_decides(name: str, chosen: str, processor: object) -> None:
    processor(name)  # type: ignore[operator]
    assert instruction_set() == name
    assert fastest_precision(CPU) == chosen


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("AVX512_CORE_AMX", "amx"),
        ("all", "amx"),
        ("AVX512_CORE_BF16", "avx512_bf16"),
        ("AVX512_CORE_VNNI", "avx512"),
        ("avx2", "avx2"),
        ("AVX2_VNNI_2", "avx2"),
        ("SSE41", "other"),
    ],
)
def test_a_onednn_limit_lowers_the_instruction_set(
    limit: str, found: str, processor: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor("amx")  # type: ignore[operator]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert instruction_set() == found


def test_a_limit_adds_nothing(processor: object, monkeypatch: pytest.MonkeyPatch) -> None:
    processor("avx2")  # type: ignore[operator]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX")
    assert instruction_set() == "avx2"


def test_every_instruction_set_has_an_answer() -> None:
    assert set(BF16_PAYS) == set(get_args(InstructionSet))


def test_no_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timed choice would differ between a busy machine and a quiet one."""
    assert not hasattr(precision, "time")
    assert fastest_precision(CPU) == ("bf16-mixed" if BF16_PAYS[instruction_set()] else "32-true")


@pytest.mark.parametrize(
    ("capability", "chosen"),
    [
        ((6, 1), "32-true"),  # GTX 1080
        ((7, 0), "32-true"),  # V100
        ((7, 5), "32-true"),  # T4
        ((8, 0), "bf16-mixed"),  # A100
        ((8, 9), "bf16-mixed"),  # L4, RTX 4090
        ((9, 0), "bf16-mixed"),  # H100
        ((10, 0), "bf16-mixed"),  # B200
        ((12, 1), "bf16-mixed"),
        ((13, 0), "bf16-mixed"),  # what comes next
    ],
)
def test_the_capability_of_a_gpu_decides_in_training_and_stylizing(
    capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert fastest_precision(gpu) == inference_precision(gpu, "auto") == chosen
    assert inference_precision(gpu, "32-true") == "32-true"


@pytest.mark.parametrize("name", ["amx", "avx512_bf16", "avx2"])
def test_every_processor_makes_the_same_pictures(name: str, processor: object) -> None:
    processor(name)  # type: ignore[operator]
    assert inference_precision(CPU, "auto") == "32-true"
    assert inference_precision(CPU, "bf16-mixed") == "bf16-mixed"
    with pytest.raises(InputError, match="precision=half is unknown: choose one of auto, 32-true, bf16-mixed"):
        inference_precision(CPU, "half")  # type: ignore[arg-type]


def test_tf32_is_chosen_for_training_and_never_taken_for_float32_pictures() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    try:
        for allowed in (True, False):
            allow_tf32(allowed)
            assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (allowed, allowed)
            with arithmetic(CPU, "32-true"):
                assert not torch.backends.cudnn.allow_tf32
            assert torch.backends.cudnn.allow_tf32 == allowed
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_other_devices_stay_in_float32() -> None:
    assert fastest_precision(torch.device("mps")) == "32-true"
