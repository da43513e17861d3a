"""Which arithmetic is chosen, by what it takes."""

from __future__ import annotations

import pytest
import torch

from adain import precision


@pytest.mark.parametrize(
    ("small", "large", "chosen"),
    [(0.6, 0.5, "bf16-mixed"), (3.0, 0.5, "bf16-mixed"), (0.6, 0.9, "32-true"), (100.0, None, "32-true")],
    ids=["supported", "only large ones gain", "no gain", "emulated"],
)
def test_a_cpu_is_measured(small: float, large: float | None, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of bfloat16 beside those of float32, which are 1. None: not to be asked for, it would take seconds."""

    def seconds(dtype: torch.dtype, channels: int) -> float:
        found = {32: small, 128: large}[channels] if dtype == torch.bfloat16 else 1.0
        assert found is not None
        return found

    monkeypatch.setattr(precision, "_seconds", seconds)
    assert precision.fastest_precision.__wrapped__(torch.device("cpu")) == chosen


def test_the_answer_of_this_machine_is_one_of_the_two_and_stays() -> None:
    cpu = torch.device("cpu")
    assert precision.fastest_precision(cpu) in ("bf16-mixed", "32-true")
    assert precision.fastest_precision(cpu) == precision.fastest_precision(torch.device("cpu"))
