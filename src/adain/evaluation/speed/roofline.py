"""The least that each stage must do: operations counted from the layers, bytes counted from the feature maps.

Pure functions of sizes, derived from the encoder's and the decoder's plan. Nothing is measured here and torch is not
asked; where ``candidates`` has measured each convolution by itself, its seconds take the place of the count. One
operation is one multiplication or one addition, so a convolution has two for each multiply-add, by its definition:
``adain.kernels.winograd`` does with fewer, so a stage may come out above its floor.

Bytes are those of an ideal machine that fuses padding, bias, ReLU, statistics and up-sampling into the convolution
beside them: every convolution reads its input and its weights once and writes its output once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from adain.nn.decoder import WIDTHS, layers
from adain.nn.encoder import CONVOLUTIONS

_BOTTLENECK_WIDTH = 512
Kind = Literal["forward", "input", "weights"]


class Layer(NamedTuple):
    """One of the three convolutions of a layer, as ``candidates.layer_times`` measures it.

    Attributes:
        kind: ``forward``, or the gradient of its ``input`` or ``weights``.
        batch, inside, outside, height, width: Of its output, the channels in and out.
    """

    kind: Kind
    batch: int
    inside: int
    outside: int
    height: int
    width: int


class Work(NamedTuple):
    """What one layer or one update must do at least.

    Attributes:
        flops: Additions and multiplications.
        numbers: Tensor elements read and written at the precision of the arithmetic.
        fixed_bytes: Bytes read and written that do not shrink with the precision: the optimizer's.
        layer: The convolution that it is, or None.
    """

    flops: int
    numbers: int
    fixed_bytes: int = 0
    layer: Layer | None = None


class Conv(NamedTuple):
    """One 3x3 convolution at one size.

    Attributes:
        inside, outside: Channels in and out.
        height, width: Of the output, in pixels.
        input_pixels: Pixels of the input feature map: a quarter of the output's where it is doubled in between.
        flops: Forward, one sample.
        pooled: Whether a 2x2 max-pool stands before it.
    """

    inside: int
    outside: int
    height: int
    width: int
    input_pixels: int
    flops: int
    pooled: bool = False


def encoder_convolutions(height: int, width: int) -> list[Conv]:
    """Return the encoder's convolutions for one picture, in order, pooling rounding odd sides up."""
    widths, found, inside = (*WIDTHS, _BOTTLENECK_WIDTH), [], 3
    for index, name in enumerate(CONVOLUTIONS):
        pooled = index > 0 and name[0] != CONVOLUTIONS[index - 1][0]
        if pooled:
            height, width = -(-height // 2), -(-width // 2)
        outside = widths[int(name[0]) - 1]
        pixels = height * width
        found.append(Conv(inside, outside, height, width, pixels, 2 * 9 * inside * outside * pixels, pooled))
        inside = outside
    return found


def decoder_convolutions(height: int, width: int) -> list[Conv]:
    """Return the decoder's convolutions for features of one picture of that size, in order.

    A 3x3 convolution after nearest x2 up-sampling meets only four different pixels: two by two sums of its weights do
    the same in 4/9 of the operations, and that is what is counted.
    """
    height, width, inside, doubled, found = -(-height // 8), -(-width // 8), _BOTTLENECK_WIDTH, False, []
    for layer in layers():
        outside = 3 if layer.target == "picture" else WIDTHS[int(layer.target.lstrip("relupo")[0]) - 1]
        taps, pixels = 4 if doubled else 9, height * width
        entering = pixels // 4 if doubled else pixels
        found.append(Conv(inside, outside, height, width, entering, 2 * taps * inside * outside * pixels))
        inside, doubled = outside, layer.upsample
        if doubled:
            height, width = 2 * height, 2 * width
    return found


def convolution_work(kind: Kind, convolutions: Iterable[Conv], batch: int) -> list[Work]:
    """Return what each convolution must do in one direction. Every one reads or writes its weights once.

    Args:
        kind: ``forward`` reads the input, four times as large if a pool stands before, and writes the output. ``input``
            reads the output, for ReLU, and its gradient; it writes the input's gradient. ``weights`` reads the input and
            the output's gradient.
        convolutions: For one picture.
        batch: Pictures.
    """
    found = []
    for c in convolutions:
        inputs, outputs = c.input_pixels * c.inside, c.height * c.width * c.outside
        pooled = 4 if c.pooled else 1
        numbers = {"forward": pooled * inputs + outputs, "input": 2 * outputs + inputs, "weights": outputs + inputs}
        layer = Layer(kind, batch, c.inside, c.outside, c.height, c.width)
        found.append(Work(batch * c.flops, batch * numbers[kind] + 9 * c.inside * c.outside, layer=layer))
    return found


def stage_work(stage: str, batch: int, height: int, width: int) -> list[Work] | None:
    """Return the work of each layer in a stage; None where it is not arithmetic on tensors (loading).

    Args:
        stage: A name out of ``stages.TRAINING`` or ``stages.STYLIZE``.
        batch: Pictures of each kind.
        height: Of each picture, in pixels.
        width: The same.
    """
    encoder, decoder = encoder_convolutions(height, width), decoder_convolutions(height, width)
    out_height, out_width = (8 * -(-side // 8) for side in (height, width))
    again = encoder_convolutions(out_height, out_width)  # the decoder's picture is up to 7 pixels larger
    features = batch * _BOTTLENECK_WIDTH * encoder[-1].height * encoder[-1].width
    parameters = sum(9 * c.inside * c.outside + c.outside for c in decoder)
    encode, decode = (convolution_work("forward", network, batch) for network in (encoder, decoder))
    adain = [Work(7 * features, 3 * features)]  # read for the statistics, read and written for the shift and scale
    losses = convolution_work("forward", again, batch)
    # the decoder's own input needs no gradient: nothing before it is trained
    backward = [*convolution_work("input", [*again, *decoder[1:]], batch), *convolution_work("weights", decoder, batch)]
    adam = [Work(12 * parameters, 0, 7 * 4 * parameters)]  # reads p, g, m, v; writes p, m, v; always float32
    table = {
        "encode content": encode,
        "encode style": encode,
        "adain": adain,
        "decode": decode,
        "encode output, losses": losses,
        "backward": backward,
        "optimizer": adam,
        "whole step": [*encode, *encode, *adain, *decode, *losses, *backward, *adam],
        "stylize": [*encode, *encode, *adain, *decode],
        "stylize, style cached": [*encode, *adain, *decode],
    }
    return table.get(stage)


def total(work: Iterable[Work], bytes_per_number: int) -> tuple[int, int]:
    """Return the operations and bytes of some work."""
    work = list(work)
    return sum(w.flops for w in work), sum(w.numbers * bytes_per_number + w.fixed_bytes for w in work)


def floor_seconds(
    work: Iterable[Work],
    flops_per_second: float,
    bytes_per_second: float,
    number: int,
    measured: Mapping[Layer, float] | None = None,
) -> float:
    """Return the least time: each layer waits for its arithmetic or for its bytes, whichever takes longer.

    Args:
        work: See ``stage_work``.
        flops_per_second: The matrix rate, as measured.
        bytes_per_second: The bandwidth, read plus written, as measured.
        number: Bytes of one tensor element.
        measured: Seconds of convolutions by themselves, which then stand for them.
    """
    times = {} if measured is None else measured
    return sum(
        times[w.layer]
        if w.layer is not None and w.layer in times
        else max(w.flops / flops_per_second, (w.numbers * number + w.fixed_bytes) / bytes_per_second)
        for w in work
    )
