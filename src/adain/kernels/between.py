"""What stands between two 3x3 convolutions, as one operator: bias, ReLU, 2x2 pooling or doubling, and reflection padding.

The separate steps read and write a feature map up to five times, and ``F.pad`` by reflection answers in channels first,
so that every convolution copies it back. Here it is read once and written once, channels last; so is its gradient.

``torch.ops.adain`` holds the operators, so that autocast, torch.compile and FSDP can deal with them. They run Triton
kernels on a GPU (and, with ``TRITON_INTERPRET=1``, on a CPU, for tests). They have no second derivatives. ``chain`` is
what networks call, and chooses between these and the separate steps.
"""

from __future__ import annotations

import importlib.util
import warnings
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Resize = Literal["keep", "pool", "double"]
"""What becomes of a map's size: nothing; 2x2 maxima; each pixel repeated 2x2 (nearest)."""

_TILE = 4096  # numbers per program
_ROWS = 128  # tiles whose moments are merged at once
_DEVICES = {"cuda"}  # ROCm's GPUs have this name too
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_INSTALLED = importlib.util.find_spec("triton") is not None
_works: bool | None = None


def takes_kernels(x: Tensor) -> bool:
    """Return whether the operators of this module will run on such tensors. Exporters get torch's own operations."""
    # the flag behind is_exporting(), which torch 2.11's compiler takes for true in all that it compiles
    if x.device.type not in _DEVICES or x.dtype not in _DTYPES or torch.compiler._is_exporting_flag:
        return False
    return _INSTALLED if torch.compiler.is_compiling() else _triton_works(x.device)  # a compiler cannot try them out


def _triton_works(device: torch.device) -> bool:
    """Return whether Triton can compile and run a kernel here. It is tried once: it needs a C compiler, for example."""
    global _works
    if _works is None:
        _works = _INSTALLED
        if _works:
            try:
                between(torch.zeros((1, 1, 2, 2), device=device), None, rectify=True)
            except Exception as error:
                _works = False
                warnings.warn(
                    f"Triton's kernels do not run here ({type(error).__name__}: {str(error).strip().splitlines()[:1]}); "
                    "continuing with torch's own operations, about half as fast",
                    RuntimeWarning,
                    stacklevel=2,
                )
    return _works


def between(
    y: Tensor,
    bias: Tensor | None,
    rectify: bool,
    resize: Resize = "keep",
    border: int = 1,
    ceil_mode: bool = True,
    eps: float | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Add the bias, apply ReLU, resize, and pad by reflection.

    Args:
        y: ``N x C x H x W``, float32 or 16 bits: the output of a convolution without bias. Channels last, else copied.
        bias: ``C``, or None.
        rectify: Whether to apply ReLU.
        resize: See ``Resize``.
        border: Pixels of reflection on each side; fewer than the resized map's sides.
        ceil_mode: Whether pooling keeps an odd last row and column.
        eps: If given, also return statistics of the map before resizing, which must then be ``"keep"``.

    Returns:
        ``N x C x H'+2b x W'+2b`` in the dtype of ``y``, channels last. With ``eps``, mean and standard deviation of each
        sample's channels without the border, as ``channel_moments`` gives them; else None.

    Raises:
        ValueError: If the map is too small to be reflected, or ``eps`` is given with a resize.
    """
    height, width = _resized(y, resize, ceil_mode)
    if border >= min(height, width):
        raise ValueError(f"a map of {height} x {width} pixels cannot be reflected by {border}: it needs {border + 1}")
    if eps is not None and resize != "keep":
        raise ValueError(f"statistics are those of the map that is written, but resize is {resize!r}: give 'keep'")
    output, mean, std = torch.ops.adain.between(y, bias, rectify, resize, border, ceil_mode, eps)
    return output, None if eps is None else (mean[..., None, None], std[..., None, None])


def channel_moments(features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation of each sample's channels in one pass over memory.

    Each tile's mean and squared deviations are computed from registers and then merged, so that a small deviation under
    a large mean keeps its digits, unlike with sums of squares.

    Args:
        features: ``N x C x H x W``, float32 or 16 bits, channels side by side in memory (channels last, or a part of it).
        eps: Added to the population variance before the square root.

    Returns:
        Two tensors of ``N x C x 1 x 1``, float32.
    """
    mean, std = torch.ops.adain.channel_moments(features, eps)
    return mean[..., None, None], std[..., None, None]


def _resized(y: Tensor, resize: str, ceil_mode: bool) -> tuple[int, int]:
    height, width = y.shape[2:]
    if resize == "pool":
        more = 1 if ceil_mode else 0
        return (height + more) // 2, (width + more) // 2
    scale = 2 if resize == "double" else 1
    return scale * height, scale * width


def _map_like(y: Tensor, height: int, width: int) -> Tensor:
    shape = (*y.shape[:2], height, width)
    return torch.empty(shape, dtype=y.dtype, device=y.device, memory_format=torch.channels_last)


class _Launch(NamedTuple):
    """How the programs share a map's rows: their grid, and the columns and channels of each."""

    grid: tuple[int, int, int]
    positions: int
    channels: int

    @classmethod
    def over(cls, samples: int, channels: int, height: int, width: int) -> _Launch:
        own = min(64, 1 << (channels - 1).bit_length())
        positions = min(_TILE // own, 1 << (width - 1).bit_length())
        return cls((samples * height, -(-width // positions), -(-channels // own)), positions, own)

    @property
    def options(self) -> dict[str, int]:
        warps = 8 if self.positions * self.channels >= _TILE else 4
        return {"POSITIONS": self.positions, "CHANNELS": self.channels, "num_warps": warps}


def _on(tensor: Tensor) -> Any:
    """Make the tensor's GPU the current one: Triton launches there."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def _merge(
    tiles: Tensor, launch: _Launch, channels: int, size: tuple[int, int], border: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, ``N x C`` each, from the moments of all tiles."""
    from adain.kernels import triton_kernels

    height, width = size
    samples = launch.grid[0] // (height + 2 * border)
    mean, std = (torch.empty((samples, channels), dtype=torch.float32, device=tiles.device) for _ in range(2))
    own = min(16, launch.channels)
    turns = -(-height * launch.grid[1] // _ROWS)
    steps = 1 << (turns - 1).bit_length()  # a power of two: each value is compiled by itself
    triton_kernels.merge_moments[(samples, -(-channels // own))](
        tiles[0], tiles[1], mean, std, eps, height, width, channels, height + 2 * border, launch.grid[1],
        BORDER=border, POSITIONS=launch.positions, ROWS=_ROWS, STEPS=steps, CHANNELS=own, num_warps=4,
    )  # fmt: skip
    return mean, std


def _tiles(launch: _Launch, channels: int, device: torch.device) -> Tensor:
    return torch.empty((2, launch.grid[0] * launch.grid[1], channels), dtype=torch.float32, device=device)


@torch.library.custom_op(
    "adain::between",
    mutates_args=(),
    schema="(Tensor y, Tensor? bias, bool rectify, str resize, int border, bool ceil_mode, float? eps) "
    "-> (Tensor, Tensor, Tensor)",
)
def _between(
    y: Tensor, bias: Tensor | None, rectify: bool, resize: str, border: int, ceil_mode: bool, eps: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    from adain.kernels import triton_kernels

    y = y.contiguous(memory_format=torch.channels_last)
    samples, channels, height, width = y.shape
    size = _resized(y, resize, ceil_mode)
    output = _map_like(y, size[0] + 2 * border, size[1] + 2 * border)
    launch = _Launch.over(samples, channels, output.shape[2], output.shape[3])
    tiles = output if eps is None else _tiles(launch, channels, y.device)
    with _on(y):
        triton_kernels.between_forward[launch.grid](
            y, y if bias is None else bias.contiguous(), output, tiles[0], tiles[-1], height, width, channels,
            output.shape[2], output.shape[3], HAS_BIAS=bias is not None, RECTIFY=rectify, POOL=resize == "pool",
            SCALE=2 if resize == "double" else 1, BORDER=border, MOMENTS=eps is not None, **launch.options,
        )  # fmt: skip
        if eps is None:
            mean, std = _nothing(y), _nothing(y)
        else:
            mean, std = _merge(tiles, launch, channels, size, border, eps)
    return output, mean, std


@_between.register_fake
def _(
    y: Tensor, bias: Tensor | None, rectify: bool, resize: str, border: int, ceil_mode: bool, eps: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    height, width = _resized(y, resize, ceil_mode)
    output = _map_like(y, height + 2 * border, width + 2 * border)
    if eps is None:
        return output, _nothing(y), _nothing(y)
    return output, _per_channel(y), _per_channel(y)


def _nothing(y: Tensor) -> Tensor:
    return torch.empty(0, dtype=torch.float32, device=y.device)


def _per_channel(y: Tensor) -> Tensor:
    return torch.empty(y.shape[:2], dtype=torch.float32, device=y.device)


def _keep_for_between(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    y, bias, ctx.rectify, ctx.resize, ctx.border, ctx.ceil_mode, eps = inputs
    written, mean, std = output
    ctx.size, ctx.moments = tuple(y.shape), eps is not None
    # Pooling needs to know which of four was the largest. Otherwise the output tells, and the next convolution keeps it.
    kept = y if ctx.resize == "pool" else written if ctx.rectify or ctx.moments else None
    ctx.save_for_backward(kept, bias, mean, std)


def _derive_between(ctx: Any, of_output: Tensor, of_mean: Tensor, of_std: Tensor) -> tuple[Tensor | None, ...]:
    kept, bias, mean, std = ctx.saved_tensors
    slope = offset = None
    if ctx.moments:
        slope, offset = _line(mean, std, of_mean, of_std, ctx.size[2] * ctx.size[3])
    learns = bias is not None and ctx.needs_input_grad[1]
    of_y, of_bias = torch.ops.adain.between_backward(
        of_output, kept, bias, slope, offset, ctx.size, ctx.rectify, ctx.resize, ctx.border, learns
    )
    return of_y, of_bias.to(bias.dtype) if learns else None, None, None, None, None, None


def _line(mean: Tensor, std: Tensor, of_mean: Tensor, of_std: Tensor, positions: int) -> tuple[Tensor, Tensor]:
    """Return slope and offset of the statistics' gradient, which is a line in x: see ``derivatives.ChannelMoments``."""
    slope = of_std / (std * positions)
    return slope, of_mean / positions - mean * slope


torch.library.register_autograd("adain::between", _derive_between, setup_context=_keep_for_between)


@torch.library.custom_op(
    "adain::between_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor? kept, Tensor? bias, Tensor? slope, Tensor? offset, SymInt[] size, bool rectify, "
    "str resize, int border, bool bias_learns) -> (Tensor, Tensor)",
)
def _between_backward(
    gradient: Tensor, kept: Tensor | None, bias: Tensor | None, slope: Tensor | None, offset: Tensor | None,
    size: list[int], rectify: bool, resize: str, border: int, bias_learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    from adain.kernels import triton_kernels

    samples, channels, height, width = size
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    of_y = _map_like(gradient, height, width)
    launch = _Launch.over(samples, channels, height, width)
    parts = launch.grid[0] * launch.grid[1] if bias_learns else 0
    of_bias = torch.empty((parts, channels), dtype=torch.float32, device=gradient.device)
    kept = gradient if kept is None else kept.contiguous(memory_format=torch.channels_last)
    line = [gradient if part is None else part.contiguous() for part in (slope, offset)]
    with _on(gradient):
        triton_kernels.between_backward[launch.grid](
            gradient, kept, gradient if bias is None else bias.contiguous(), *line, of_y, of_bias, height, width,
            channels, gradient.shape[2], gradient.shape[3], HAS_BIAS=bias is not None, RECTIFY=rectify,
            POOL=resize == "pool", SCALE=2 if resize == "double" else 1, BORDER=border, MOMENTS=slope is not None,
            BIAS_LEARNS=bias_learns, **launch.options,
        )  # fmt: skip
    return of_y, of_bias.sum(0)


@_between_backward.register_fake
def _(
    gradient: Tensor, kept: Tensor | None, bias: Tensor | None, slope: Tensor | None, offset: Tensor | None,
    size: list[int], rectify: bool, resize: str, border: int, bias_learns: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return _map_like(gradient, size[2], size[3]), gradient.new_empty(size[1], dtype=torch.float32)


@torch.library.custom_op(
    "adain::channel_moments", mutates_args=(), schema="(Tensor features, float eps) -> (Tensor, Tensor)"
)
def _channel_moments(features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    from adain.kernels import triton_kernels

    if features.stride(1) != 1:
        features = features.contiguous(memory_format=torch.channels_last)
    samples, channels, height, width = features.shape
    launch = _Launch.over(samples, channels, height, width)
    tiles = _tiles(launch, channels, features.device)
    with _on(features):
        triton_kernels.tile_moments[launch.grid](
            features, tiles[0], tiles[1], height, width, channels, features.stride(0), features.stride(2),
            features.stride(3), **launch.options,
        )  # fmt: skip
        mean, std = _merge(tiles, launch, channels, (height, width), 0, eps)
    return mean, std


@_channel_moments.register_fake
def _(features: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return _per_channel(features), _per_channel(features)


def _keep_for_moments(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(inputs[0], *output)


def _derive_moments(ctx: Any, of_mean: Tensor, of_std: Tensor) -> tuple[Tensor, None]:
    features, mean, std = ctx.saved_tensors
    line = _line(mean, std, of_mean, of_std, features.shape[2] * features.shape[3])
    slope, offset = (part[..., None, None].to(features.dtype) for part in line)
    return torch.addcmul(offset, features, slope), None


torch.library.register_autograd("adain::channel_moments", _derive_moments, setup_context=_keep_for_moments)
