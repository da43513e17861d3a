"""Winograd's convolution gives the same numbers as the definition."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adain.kernels import winograd
from adain.kernels.layers import padded_conv2d
from adain.kernels.winograd import convolve_rows, pays
from adain.runtime.precision import InstructionSet


def _given(batch: int, height: int, width: int, inside: int = 64, outside: int = 96) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, inside, height, width, generator=generator)
    weight = torch.randn(outside, inside, 3, 3, generator=generator) / (9 * inside) ** 0.5
    return x, weight, torch.randn(outside, generator=generator)


@pytest.mark.parametrize("size", [(1, 30, 31), (2, 31, 30), (3, 3, 40), (1, 4, 2), (1, 101, 7)])
@pytest.mark.parametrize("piece", [2**21, 5000])
def test_convolution_by_rows_matches_the_definition(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int, int], piece: int
) -> None:
    monkeypatch.setattr(winograd, "_PIECE", piece)  # small pieces: every border between two of them is crossed
    x, weight, bias = _given(*size)
    padded = F.pad(x, (1, 1, 1, 1))
    expected = F.conv2d(padded.double(), weight.double(), bias.double())
    torch.testing.assert_close(convolve_rows(padded, weight, bias).double(), expected, atol=3e-6, rtol=1e-5)
    rectified = convolve_rows(padded, weight, None, rectify=True)
    expected = F.conv2d(padded.double(), weight.double()).relu()
    torch.testing.assert_close(rectified.double(), expected, atol=3e-6, rtol=1e-5)
    assert rectified.is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_rounds_about_twice_as_often() -> None:
    x, weight, bias = (part.bfloat16() for part in _given(1, 48, 48, 128, 128))
    exact = F.conv2d(F.pad(x, (1, 1, 1, 1)).double(), weight.double(), bias.double())
    plain = F.conv2d(x, weight, bias, padding=1)
    errors = [
        (found.double() - exact).square().mean().sqrt()
        for found in (plain, convolve_rows(F.pad(x, (1,) * 4), weight, bias))
    ]
    assert errors[1] < 3 * errors[0]


@pytest.mark.parametrize("padding", ["reflect", "constant"])
def test_layers_use_it_where_it_pays(monkeypatch: pytest.MonkeyPatch, padding: str) -> None:
    x, weight, bias = _given(1, 32, 33)
    assert pays(x, weight)
    fast = padded_conv2d(x, weight, bias, padding, rectify=True)
    monkeypatch.setattr("adain.kernels.derivatives.pays", lambda *_: False)
    torch.testing.assert_close(fast, padded_conv2d(x, weight, bias, padding, rectify=True), atol=3e-6, rtol=1e-5)


def test_layers_avoid_it_where_it_does_not_pay() -> None:
    x, weight, _ = _given(1, 32, 33)
    assert not pays(x[..., :8, :8], weight)  # few positions
    assert not pays(x[:, :3], weight[:, :3])  # a picture
    assert not pays(x.bfloat16(), weight.bfloat16())  # 64 channels are too few in 16 bits
    assert not pays(x.double(), weight.double())  # gradient checks want the definition


@pytest.mark.parametrize(
    ("name", "dtype", "fewest"),
    [
        ("amx", torch.float32, 128),
        ("amx", torch.bfloat16, None),  # oneDNN is faster
        ("avx512_bf16", torch.float32, 64),
        ("avx512_bf16", torch.bfloat16, 128),
        ("avx2", torch.float32, 64),
        ("avx2", torch.bfloat16, 128),
    ],
)
def test_what_is_taken_follows_from_the_instruction_set(
    name: str, dtype: torch.dtype, fewest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "instruction_set", lambda: name)
    winograd._fewest_channels.cache_clear()
    taken = []
    for channels in (64, 96, 128, 256):
        x, weight, _ = _given(1, 32, 33, channels, channels)
        if pays(x.to(dtype), weight.to(dtype)):
            taken.append(channels)
    winograd._fewest_channels.cache_clear()
    assert taken == ([] if fewest is None else [channels for channels in (64, 96, 128, 256) if channels >= fewest])


def test_every_instruction_set_has_a_row() -> None:
    assert set(winograd.FEWEST_CHANNELS) == set(get_args(InstructionSet))
