"""torch.compile with a fallback: if compilation fails, warn once and run the plain function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R], training_only: bool = False, backend: str = "inductor") -> Callable[P, R]:
    """Return a function that runs through torch.compile, in one graph, from its first call on.

    Args:
        function: Must have no side effects: it is called again, uncompiled, if compilation fails.
        training_only: Run calls without gradients uncompiled: validation sizes differ, and each would compile anew.
        backend: Passed to torch.compile.

    Returns:
        A function with the same signature. If compilation fails (no C++ toolchain, no Triton, an unsupported machine),
        it warns once and runs uncompiled from then on. Errors of ``function`` itself are raised as usual.
    """
    fast: Callable[P, R] | None = torch.compile(function, fullgraph=True, backend=backend)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal fast
        if fast is None or (training_only and not torch.is_grad_enabled()):
            return function(*args, **kwargs)
        try:
            # compile the backward graph in this call too, so that its failure is caught here
            with torch._functorch.config.patch(force_non_lazy_backward_lowering=True):
                return fast(*args, **kwargs)
        except Exception as error:
            result = function(*args, **kwargs)  # raises if the fault is not the compiler's
            fast = None
            warnings.warn(
                f"compile=true has no effect: torch.compile failed ({_reason(error)}); continuing without it",
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
