"""A stand-in for CUDA graphs that works on a CPU: what is recorded is counted, and replayed in the same memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten


class NothingRead(TorchDispatchMode):
    """Refuses what a stream that is being recorded refuses: to wait for a number."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise RuntimeError("operation not permitted when stream is capturing\nand a second line")
        return func(*args, **(kwargs or {}))


class StandIn:
    """Does what ``torch.cuda.make_graphed_callables`` does: warm-up, recording, and one memory for all calls.

    Attributes:
        recorded: The shapes of the tensors of each recording.
        forward, backward: Replays of either pass.
    """

    def __init__(self) -> None:
        self.recorded: list[list[tuple[int, ...]]] = []
        self.forward = self.backward = 0

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...]) -> Any:
        parameters = [p for p in module.parameters() if p.requires_grad]
        for _ in range(3):
            self._pass(module, given, parameters)
        with NothingRead():
            results, made, gradients = self._pass(module, given, parameters)
        self.recorded.append([tuple(tensor.shape) for tensor in given])
        results = [result.detach().clone() for result in results]
        kept: dict[str, list[Tensor]] = {}

        class Replayed(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
                self.forward += 1
                for own, new in zip(given, inputs, strict=False):
                    own.copy_(new)
                with torch.enable_grad():
                    kept["results"] = tree_flatten(module(*given))[0]
                for own, new in zip(results, kept["results"], strict=True):
                    own.copy_(new.detach())
                return tuple(result.detach() for result in results)

            @staticmethod
            def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
                self.backward += 1
                pairs = [(r, g) for r, g in zip(kept["results"], wanted, strict=True) if r.requires_grad]
                found = torch.autograd.grad([r for r, _ in pairs], parameters, [g for _, g in pairs])
                for own, new in zip(gradients, found, strict=True):
                    own.copy_(new)
                return (*(None for _ in given), *(gradient.detach() for gradient in gradients))

        return lambda *tensors: tree_unflatten(list(Replayed.apply(*tensors, *parameters)), made)

    def _pass(self, module: nn.Module, given: tuple[Tensor, ...], parameters: list[nn.Parameter]) -> Any:
        results, made = tree_flatten(module(*given))
        learned = [result for result in results if result.requires_grad]
        gradients = torch.autograd.grad(learned, parameters, [torch.zeros_like(result) for result in learned])
        return results, made, [gradient.clone() for gradient in gradients]
