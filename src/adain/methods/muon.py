"""Muon for convolutions: momentum whose update is orthogonalized, so that every direction of a layer learns at one pace.

A decoder that starts from least squares has layers whose gradients are dominated by a few directions: the colors and
contrasts that many channels share. Adam follows those and learns the rest slowly. Muon replaces the momentum ``M`` of a
layer, seen as a matrix of outputs by inputs, by the nearest semi-orthogonal matrix, ``U V'`` of its singular value
decomposition, approximated by Newton-Schulz iterations.

torch.optim.Muon takes matrices only, and iterates in bfloat16, which CPUs without such instructions run a hundred times
slower than float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.nn import Parameter

_A, _B, _C = 3.4445, -4.7750, 2.0315  # quintic with the steepest slope at 0: Jordan et al. 2024
_ITERATIONS = 5


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return the semi-orthogonal matrix nearest to a matrix, approximately.

    Five quintic Newton-Schulz iterations ``X <- a X + b (X X') X + c (X X')^2 X`` from ``X = M / |M|``. All of them are
    polynomials in ``G = X X'`` times X, so for a wide matrix the iterations work on the small G and X is multiplied once.

    Args:
        matrix: ``m x n``, float32.

    Returns:
        ``m x n``, singular values about 1 (0.7 to 1.2).

    Source:
        Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    x = matrix / (matrix.norm() + 1e-7)
    gram = x @ x.T
    identity = torch.eye(len(gram), device=x.device, dtype=x.dtype)
    product = identity
    for _ in range(_ITERATIONS):
        factor = _A * identity + _B * gram + _C * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    result: Tensor = product @ x
    return result


class Muon(torch.optim.Optimizer):
    """Orthogonalized Nesterov momentum for convolutions, Adam for biases.

    A convolution's step is ``lr |W|`` long (Frobenius norms), as in layer-wise adaptive rates: ``lr`` is the share by which
    every layer's weights change, so layers of any scale take one rate.

    Args:
        parameters: Convolution weights (4 dimensions) and biases (1).
        lr: Relative step of the convolutions.
        bias_lr: Adam's rate for the biases.
        momentum: Of the convolutions.
        betas: Adam's decay rates.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        bias_lr: float,
        momentum: float = 0.9,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        given = list(parameters)
        groups = [
            {"params": [p for p in given if p.ndim > 1], "lr": lr, "momentum": momentum},
            {"params": [p for p in given if p.ndim <= 1], "lr": bias_lr, "betas": betas},
        ]
        super().__init__([group for group in groups if group["params"]], {})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = _matrix_step if parameter.ndim > 1 else _adam_step
                    update(parameter, parameter.grad.float(), self.state[parameter], group)
        return loss


def _matrix_step(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(weight)
    momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
    direction = orthogonalize(gradient.lerp(momentum, group["momentum"]).flatten(1)).view_as(weight)
    weight.sub_(direction * (group["lr"] * weight.norm() / direction.norm().clamp_min(1e-12)))


def _adam_step(bias: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    if not state:
        state["first"], state["second"] = torch.zeros_like(bias), torch.zeros_like(bias)
        state["count"] = torch.zeros(())
    state["count"] += 1
    beta1, beta2 = group["betas"]
    first = state["first"].lerp_(gradient, 1 - beta1) / (1 - beta1 ** float(state["count"]))
    second = state["second"].lerp_(gradient.square(), 1 - beta2) / (1 - beta2 ** float(state["count"]))
    bias.sub_(group["lr"] * first / (second.sqrt() + 1e-8))
