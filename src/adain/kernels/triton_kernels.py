"""Triton kernels for what stands between two convolutions, and for channel statistics. ``between`` launches them.

All maps are channels last. One program handles one row of a map, ``POSITIONS`` of its columns and ``CHANNELS`` of its
channels, and computes in float32. Nothing is accumulated with atomics, so the same input gives the same bits.
Masks are made of vectors, not of scalars: Triton's interpreter turns a scalar condition into an integer.

Only ``between`` imports this module, when the first kernel is launched: Triton need not be installed elsewhere.
"""

from __future__ import annotations

import triton
import triton.language as tl

SIZES = ("height", "width", "out_height", "out_width", "tiles")
"""Arguments whose values compile nothing anew: a folder has pictures of many sizes."""


@triton.jit
def _reflect(index, size):
    index = tl.where(index < 0, -index, index)
    return tl.where(index >= size, 2 * size - 2 - index, index)


@triton.jit
def _store_moments(values, counted, mean, squares, mask):
    """Store the mean and the sum of squared deviations of a tile, from registers.

    The first mean is rounded to a digit of the mean, which may be large; what the deviations from it leave corrects it.
    """
    number = tl.maximum(tl.sum(counted.to(tl.float32), 0), 1.0)
    center = tl.sum(tl.where(counted, values, 0.0), 0) / number
    deviation = tl.where(counted, values - center[None, :], 0.0)
    rest = tl.sum(deviation, 0) / number
    tl.store(mean, center + rest, mask=mask)
    tl.store(squares, tl.sum(deviation * deviation, 0) - rest * rest * number, mask=mask)


@triton.jit(do_not_specialize=SIZES)
def between_forward(
    y, bias, output, mean, squares, height, width, channels, out_height, out_width,
    HAS_BIAS: tl.constexpr, RECTIFY: tl.constexpr, POOL: tl.constexpr, SCALE: tl.constexpr, BORDER: tl.constexpr,
    MOMENTS: tl.constexpr, POSITIONS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the next convolution's input; with ``MOMENTS`` also each tile's moments, of the values as stored."""
    row = tl.program_id(0)
    sample, i = row // out_height, row % out_height
    j = tl.program_id(1) * POSITIONS + tl.arange(0, POSITIONS)
    c = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    valid = (j < out_width)[:, None] & (c < channels)[None, :]
    source_i = _reflect(i - BORDER, out_height - 2 * BORDER)
    source_j = _reflect(j - BORDER, out_width - 2 * BORDER)
    if POOL:
        value = tl.full([POSITIONS, CHANNELS], float("-inf"), tl.float32)
        for cell in tl.static_range(4):
            v = 2 * source_j + cell % 2
            u = 2 * source_i + cell // 2 + tl.zeros_like(v)
            at = ((sample.to(tl.int64) * height + u) * width + v)[:, None] * channels + c[None, :]
            there = valid & ((u < height) & (v < width))[:, None]
            one = tl.load(y + at, mask=there, other=float("-inf")).to(tl.float32)
            value = tl.where((one > value) | (one != one), one, value)  # unlike tl.maximum, keeps NaN
    else:
        at = ((sample.to(tl.int64) * height + source_i // SCALE) * width + source_j // SCALE)[:, None] * channels
        value = tl.load(y + at + c[None, :], mask=valid, other=0.0).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    if RECTIFY:
        value = tl.where(value < 0, 0.0, value)  # keeps NaN, so that a diverged step is noticed
    stored = value.to(output.dtype.element_ty)
    tl.store(output + (row.to(tl.int64) * out_width + j)[:, None] * channels + c[None, :], stored, mask=valid)
    if MOMENTS:
        r = i + tl.zeros_like(j)
        inner = (j >= BORDER) & (j < out_width - BORDER) & (r >= BORDER) & (r < out_height - BORDER)
        place = (row * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * channels + c
        _store_moments(stored.to(tl.float32), valid & inner[:, None], mean + place, squares + place, c < channels)


@triton.jit(do_not_specialize=SIZES)
def between_backward(
    gradient, kept, bias, slope, offset, of_y, of_bias, height, width, channels, out_height, out_width,
    HAS_BIAS: tl.constexpr, RECTIFY: tl.constexpr, POOL: tl.constexpr, SCALE: tl.constexpr, BORDER: tl.constexpr,
    MOMENTS: tl.constexpr, BIAS_LEARNS: tl.constexpr, POSITIONS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of ``y``, gathered from all places that each number was written to, and the biases' by tile."""
    row = tl.program_id(0)
    sample, i = row // height, row % height
    j = tl.program_id(1) * POSITIONS + tl.arange(0, POSITIONS)
    c = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    valid = (j < width)[:, None] & (c < channels)[None, :]
    inner_height, inner_width = out_height - 2 * BORDER, out_width - 2 * BORDER
    first = sample.to(tl.int64) * out_height
    total = tl.zeros([POSITIONS, CHANNELS], tl.float32)
    for cell in tl.static_range(SCALE * SCALE):
        if POOL:
            u, v = i // 2, j // 2
        else:
            u, v = i * SCALE + cell // SCALE, j * SCALE + cell % SCALE
        # Row u lies in the middle of the output, and again in the border above or below if it is near enough.
        for vertical in tl.static_range(3 if BORDER else 1):
            if vertical == 0:
                r = u + BORDER
                has_row = u < inner_height
            elif vertical == 1:
                r = BORDER - u
                has_row = (u >= 1) & (u <= BORDER)
            else:
                r = 2 * (inner_height - 1) - u + BORDER
                has_row = (u >= inner_height - 1 - BORDER) & (u <= inner_height - 2)
            if has_row:
                for horizontal in tl.static_range(3 if BORDER else 1):
                    if horizontal == 0:
                        s = v + BORDER
                        has_column = v < inner_width
                    elif horizontal == 1:
                        s = BORDER - v
                        has_column = (v >= 1) & (v <= BORDER)
                    else:
                        s = 2 * (inner_width - 1) - v + BORDER
                        has_column = (v >= inner_width - 1 - BORDER) & (v <= inner_width - 2)
                    at = ((first + r) * out_width + s)[:, None] * channels + c[None, :]
                    total += tl.load(gradient + at, mask=valid & has_column[:, None], other=0.0).to(tl.float32)
    if POOL:  # kept is y: the gradient goes to the first of the largest four, as torch's does
        best = tl.full([POSITIONS, CHANNELS], float("-inf"), tl.float32)
        chosen = tl.zeros([POSITIONS, CHANNELS], tl.int32)
        shift = tl.zeros([CHANNELS], tl.float32)
        if HAS_BIAS:
            shift += tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)
        for cell in tl.static_range(4):
            v = j // 2 * 2 + cell % 2
            u = i // 2 * 2 + cell // 2 + tl.zeros_like(v)
            at = ((sample.to(tl.int64) * height + u) * width + v)[:, None] * channels + c[None, :]
            there = valid & ((u < height) & (v < width))[:, None]
            one = tl.load(kept + at, mask=there, other=float("-inf")).to(tl.float32) + shift[None, :]
            better = (one > best) | (one != one)
            best, chosen = tl.where(better, one, best), tl.where(better, cell, chosen)
        total = tl.where(chosen == ((i % 2) * 2 + j % 2)[:, None], total, 0.0)
        if RECTIFY:
            total = tl.where(best <= 0, 0.0, total)
    elif RECTIFY or MOMENTS:  # kept is the output
        at = ((first + i * SCALE + BORDER) * out_width + j * SCALE + BORDER)[:, None] * channels + c[None, :]
        value = tl.load(kept + at, mask=valid, other=0.0).to(tl.float32)
        if MOMENTS:
            of_channel, mask = sample * channels + c, c < channels
            total += tl.load(slope + of_channel, mask=mask, other=0.0)[None, :] * value
            total += tl.load(offset + of_channel, mask=mask, other=0.0)[None, :]
        if RECTIFY:
            total = tl.where(value <= 0, 0.0, total)
    tl.store(
        of_y + (row.to(tl.int64) * width + j)[:, None] * channels + c[None, :],
        total.to(of_y.dtype.element_ty),
        mask=valid,
    )
    if BIAS_LEARNS:
        place = (row * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * channels + c
        tl.store(of_bias + place, tl.sum(tl.where(valid, total, 0.0), 0), mask=c < channels)


@triton.jit(do_not_specialize=SIZES)
def tile_moments(
    x, mean, squares, height, width, channels, of_sample, of_row, of_column,
    POSITIONS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Store each tile's moments of a map whose channels lie side by side; its rows and columns may be a part's."""
    row = tl.program_id(0)
    sample, i = row // height, row % height
    j = tl.program_id(1) * POSITIONS + tl.arange(0, POSITIONS)
    c = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    valid = (j < width)[:, None] & (c < channels)[None, :]
    start = sample.to(tl.int64) * of_sample + i.to(tl.int64) * of_row
    values = tl.load(x + start + j[:, None] * of_column + c[None, :], mask=valid, other=0.0).to(tl.float32)
    place = (row * tl.num_programs(1) + tl.program_id(1)).to(tl.int64) * channels + c
    _store_moments(values, valid, mean + place, squares + place, c < channels)


@triton.jit(do_not_specialize=SIZES)
def merge_moments(
    tile_mean, tile_squares, mean, std, eps, height, width, channels, out_height, tiles,
    BORDER: tl.constexpr, POSITIONS: tl.constexpr, ROWS: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Merge the tiles' moments of one sample (Chan, Golub & LeVeque 1979) to mean and standard deviation.

    ``height`` and ``width`` are those of the map without its border. Tiles beyond the last, up to ``STEPS`` times ``ROWS``,
    count for nothing. (A bound that is not a constant stops older interpreters.)
    """
    sample = tl.program_id(0)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    number = 0.0
    center = tl.zeros([CHANNELS], tl.float32)
    squares = tl.zeros([CHANNELS], tl.float32)
    for step in range(STEPS):
        t = step * ROWS + tl.arange(0, ROWS)
        i, block = t // tiles, t % tiles
        low = tl.maximum(block * POSITIONS, BORDER)
        high = tl.minimum(block * POSITIONS + POSITIONS, width + BORDER)
        count = tl.where(t < height * tiles, tl.maximum(high - low, 0), 0).to(tl.float32)[:, None]
        at = ((sample * out_height + i + BORDER).to(tl.int64) * tiles + block)[:, None] * channels + c[None, :]
        mask = (count > 0) & (c < channels)[None, :]
        means = tl.load(tile_mean + at, mask=mask, other=0.0)
        more = tl.sum(count, 0)  # of one number
        middle = tl.sum(count * means, 0) / tl.maximum(more, 1.0)
        spread = means - middle[None, :]
        within = tl.load(tile_squares + at, mask=mask, other=0.0)
        inside = tl.sum(tl.where(mask, within + count * spread * spread, 0.0), 0)
        both = tl.maximum(number + more, 1.0)
        apart = middle - center
        center += apart * more / both
        squares += inside + apart * apart * number * more / both
        number += tl.sum(more, 0)
    tl.store(mean + sample * channels + c, center, mask=c < channels)
    tl.store(std + sample * channels + c, tl.sqrt(squares / tl.maximum(number, 1.0) + eps), mask=c < channels)
