"""torch.compile with a way back: where the compiler fails, one warning and the plain function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def compiled(
    function: Callable[P, R], training_only: bool = False, backend: str = "inductor", mode: str | None = None
) -> Callable[P, R]:
    """A function through torch.compile, in one graph, from its first call on.

    Args:
        function: Pure in its tensors: it is called again, plainly, if compiling it fails.
        training_only: Leaves calls without gradients plain: validation has other sizes, each compiled for itself.
        backend: torch.compile's.
        mode: The same.

    Returns:
        The same function. If compiling fails (no C++ toolchain, no Triton, a machine it does not know), it warns once
        and stays plain. An error of the function itself is raised as ever.
    """
    fast: Callable[P, R] | None = torch.compile(function, fullgraph=True, backend=backend, mode=mode)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal fast
        if fast is None or (training_only and not torch.is_grad_enabled()):
            return function(*args, **kwargs)
        try:
            # the backward graph too is compiled within this call, so that its failure is met here
            with torch._functorch.config.patch(force_non_lazy_backward_lowering=True):
                return fast(*args, **kwargs)
        except Exception as error:
            result = function(*args, **kwargs)  # raises if the fault is not the compiler's
            fast = None
            warnings.warn(
                f"compile=true has no effect: torch.compile failed ({_reason(error)}); going on without it",
                RuntimeWarning,
                stacklevel=2,
            )
            return result

    return call


def _reason(error: Exception) -> str:
    inner: BaseException = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return f"{type(inner).__name__}: {lines[0]}"[:200] if lines else type(inner).__name__
