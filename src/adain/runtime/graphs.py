"""CUDA graphs with a fallback: a function's kernels are recorded once, with those of its backward pass, and replayed.

A replay launches hundreds of kernels with one call. That is what a GPU waits for where the kernels are short.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

R = TypeVar("R")
Capture = Callable[[nn.Module, tuple[Tensor, ...]], Callable[..., Any]]
"""Records a module and returns what replays it: same arguments and results, the parameters' gradients included."""


class BesideOthers(torch.cuda.graph):
    """A recording during which other threads may use the GPU: a loader's thread pins the next batches meanwhile."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **{**given, "capture_error_mode": "thread_local"})


def _record_cuda(module: nn.Module, tensors: tuple[Tensor, ...]) -> Callable[..., Any]:
    """Call ``make_graphed_callables``, whose recordings forbid other threads the GPU (torch 2.11 takes no other mode)."""
    gc.collect()  # a graph that is freed during a recording breaks it
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)  # gradients are recorded on a side stream
    stream, usual = torch.cuda.current_stream(), torch.cuda.graph
    torch.cuda.graph = BesideOthers  # type: ignore[misc]
    try:
        return torch.cuda.make_graphed_callables(module, tensors)
    finally:
        torch.cuda.graph = usual  # type: ignore[misc]
        torch.cuda.set_stream(stream)  # a recording that fails leaves its own


CAPTURES: dict[str, Capture] = {"cuda": _record_cuda}
"""By the type of a device. A CPU launches nothing, so it has none; tests put a stand-in here."""


def graphed(
    function: Callable[..., R], network: nn.Module, device: torch.device, say: Callable[[str], object]
) -> Callable[..., R]:
    """Return a function that is recorded at its first call with gradients, and replayed from then on.

    Its results lie in the same memory at every call: what must outlive the next one is to be copied. So do the gradients of
    the first backward pass after ``zero_grad``, so they must not be accumulated over calls.

    Args:
        function: Takes tensors, and returns tensors of which at least one needs gradients. The device must never be waited
            for in it. Its first call must come before any backward pass whose tensors are still in use.
        network: Holds all parameters and buffers that the function uses.
        device: Where they are: of a type in ``CAPTURES``.
        say: Called once, with a reason, if the function cannot be recorded, or is called with other sizes than recorded.

    Returns:
        A function of the same signature. Calls without gradients, and with other sizes than recorded, run as usual. Errors
        of ``function`` itself are raised as usual. Where parameters have moved to other memory, it is recorded again.
    """
    weights = list(network.parameters())
    replay: Callable[..., R] | None = None
    recorded: list[Any] = []
    places: list[int] = []
    silent = False

    def plainly(reason: str) -> None:
        nonlocal silent
        if not silent:
            silent = True
            say(reason)

    def call(*tensors: Tensor) -> R:
        nonlocal replay, recorded, places
        if not torch.is_grad_enabled():
            return function(*tensors)
        kinds = [(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors]
        there = [weight.data_ptr() for weight in weights]
        if not recorded or (replay is not None and there != places):
            recorded, places, replay, reason = kinds, there, None, ""
            try:
                replay = _record(function, network, tensors, CAPTURES[device.type])
            except Exception as error:
                reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            if reason:  # here, where the error no longer holds the memory of what failed
                if device.type == "cuda":
                    torch.cuda.empty_cache()
                result = function(*tensors)  # raises if the fault is its own
                plainly(reason)
                return result
        if replay is None:
            return function(*tensors)
        if kinds != recorded:
            plainly(f"a batch of {' and '.join(str(tuple(tensor.shape)) for tensor in tensors)} is not as recorded")
            return function(*tensors)
        return replay(*tensors)

    return call


def _record(
    function: Callable[..., R], network: nn.Module, tensors: tuple[Tensor, ...], capture: Capture
) -> Callable[..., R]:
    """Record a function, its forward pass alone under autocast if that is on.

    The buffers keep their values, which the passes of a warm-up would change.
    """
    kind = tensors[0].device.type
    mixed, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    class Recorded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *given: Tensor) -> R:
            with torch.autocast(kind, dtype, enabled=mixed, cache_enabled=False):
                return function(*given)

    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        with torch.autocast(kind, enabled=False):
            return capture(Recorded(), tuple(tensor.detach().clone() for tensor in tensors))
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
