from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from adain.evaluation.speed.plain_step import plain_decoder, plain_encoder, plain_losses
from adain.evaluation.speed.roofline import (
    Work,
    convolution_work,
    decoder_convolutions,
    encoder_convolutions,
    floor_seconds,
    stage_work,
    total,
)
from adain.nn.decoder import Decoder
from adain.nn.encoder import Encoder
from adain.nn.weights import find, read_state


@pytest.fixture(autouse=True)
def by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """No multiplications saved: torch counts what it is asked for."""
    monkeypatch.setattr("adain.kernels.derivatives.pays", lambda *_: False)


def _flops(work: list[Work]) -> int:
    return total(work, 4)[0]


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 48, 48), (2, 41, 66)])
def test_the_encoder_is_counted_as_torch_counts_it(encoder: Encoder, batch: int, height: int, width: int) -> None:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.rand(batch, 3, height, width))
    assert _flops(convolution_work("forward", encoder_convolutions(height, width), batch)) == counter.get_total_flops()


def test_the_decoder_is_counted_as_torch_counts_it() -> None:
    """torch also sees the border of the transposed convolutions, which is cut off again, and the sums of their weights."""
    decoder, border, sums = Decoder(), 0, 0
    decoder.fused = True
    height, width = 5, 7
    for channels_in, channels_out, scale in ((256, 256, 1), (128, 128, 2), (64, 64, 4)):
        h, w = height * scale, width * scale
        border += 2 * 16 * channels_in * channels_out * ((h + 2) * (w + 2) - h * w)
        sums += 2 * 16 * 9 * channels_in * channels_out
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decoder(torch.rand(2, 512, height, width))
    counted = convolution_work("forward", decoder_convolutions(8 * height, 8 * width), 2)
    assert _flops(counted) == counter.get_total_flops() - 2 * border - sums


def test_the_backward_pass_is_counted_as_torch_counts_it() -> None:
    """Of the plain step, whose up-sampled convolutions do 9/4 of the work: the rest must agree to the operation."""
    encoder, decoder = plain_encoder(read_state(find("vgg19_normalized"))), plain_decoder()
    content, style = torch.rand(2, 1, 3, 48, 48)
    loss = sum(plain_losses(encoder, decoder, content, style))
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(loss)  # type: ignore[arg-type]
    again, plan = encoder_convolutions(48, 48), decoder_convolutions(48, 48)
    color = 2 * 3 * 3 * 48 * 48  # the plain step's leading 1x1 convolution, backward to its input
    doubled = [c for c in plan if c.input_pixels != c.height * c.width]
    assert len(doubled) == 3
    extra = 2 * sum(c.flops * 5 // 4 for c in doubled)
    counted = [*convolution_work("input", [*again, *plan[1:]], 1), *convolution_work("weights", plan, 1)]
    assert _flops(counted) + extra + color == counter.get_total_flops()


def test_a_convolution_s_bytes_are_its_tensors() -> None:
    first = encoder_convolutions(10, 14)[0]
    x, weight = torch.rand(3, 3, 10, 14), torch.rand(64, 3, 3, 3)
    out = F.conv2d(x, weight, padding=1)
    assert convolution_work("forward", [first], 3)[0].numbers == x.numel() + weight.numel() + out.numel()


def test_a_layer_waits_for_the_slower_of_arithmetic_and_memory() -> None:
    work = [Work(flops=100, numbers=1), Work(flops=1, numbers=100), Work(0, 0, fixed_bytes=70)]
    assert floor_seconds(work, 10.0, 20.0, 4) == pytest.approx(10 + 20 + 3.5)
    assert total(work, 2) == (101, 2 * 101 + 70)


def test_the_whole_step_is_the_sum_of_its_stages() -> None:
    names = ("encode content", "encode style", "adain", "decode", "encode output, losses", "backward", "optimizer")
    parts = [work for name in names for work in stage_work(name, 2, 60, 64) or []]
    assert total(parts, 4) == total(stage_work("whole step", 2, 60, 64) or [], 4)
    assert stage_work("load", 2, 60, 64) is None
    parameters = sum(p.numel() for p in Decoder().parameters())
    assert (stage_work("optimizer", 1, 64, 64) or [])[0].fixed_bytes == 28 * parameters
