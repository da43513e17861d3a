"""Muon for convolutions: momentum whose update is orthogonalized, so that every direction of a layer learns at one pace.

A decoder that starts from least squares has layers whose gradients are dominated by a few directions: the colors and
contrasts that many channels share. Adam follows those and learns the rest slowly. Muon replaces the momentum ``M`` of a
layer, seen as a matrix of outputs by inputs, by the nearest semi-orthogonal matrix, ``U V'`` of its singular value
decomposition, approximated by Newton-Schulz iterations.

torch.optim.Muon takes matrices only, and iterates in bfloat16, which CPUs without such instructions run a hundred times
slower than float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor
from torch.nn import Parameter

_A, _B, _C = 3.4445, -4.7750, 2.0315  # quintic with the steepest slope at 0: Jordan et al. 2024
_ITERATIONS = 5


def orthogonalize(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return the semi-orthogonal matrices nearest to some matrices, approximately.

    Five quintic Newton-Schulz iterations ``X <- a X + b (X X') X + c (X X')^2 X`` from ``X = M / |M|``. All of them are
    polynomials in ``G = X X'`` times X, so for a wide matrix the iterations work on the small G and X is multiplied once.
    The G of one size go through them together: few large products in place of many small ones.

    Args:
        matrices: ``m x n``, float32, each of any size.

    Returns:
        ``m x n``, singular values about 1 (0.7 to 1.2).

    Source:
        Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    norms = torch._foreach_add(torch._foreach_norm(list(matrices)), 1e-7)
    wide = [x if x.shape[0] <= x.shape[1] else x.T for x in torch._foreach_div(list(matrices), norms)]
    results: list[Tensor] = [torch.empty(0)] * len(wide)
    for size in sorted({len(x) for x in wide}):
        places = [place for place, x in enumerate(wide) if len(x) == size]
        products = _polynomials(torch.stack([wide[place] @ wide[place].T for place in places]))
        for place, product in zip(places, products.unbind(), strict=True):
            result = product @ wide[place]
            results[place] = result if result.shape == matrices[place].shape else result.T
    return results


def _polynomials(grams: Tensor) -> Tensor:
    """Return the product of the iterations' factors ``a I + b G + c G^2``, of each G of ``N x m x m``."""
    product = grams
    for turn in range(_ITERATIONS):
        factor = torch.baddbmm(grams, grams, grams, beta=_B, alpha=_C)
        factor.diagonal(dim1=-2, dim2=-1).add_(_A)
        product = factor @ product if turn else factor
        if turn < _ITERATIONS - 1:
            grams = factor @ grams @ factor
    return product


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
            learned = [parameter for parameter in group["params"] if parameter.grad is not None]
            if learned:
                update = _matrix_step if learned[0].ndim > 1 else _adam_step
                gradients = [parameter.grad.to(parameter.dtype) for parameter in learned]
                update(learned, gradients, [self.state[parameter] for parameter in learned], group)
        return loss


def _matrix_step(
    weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], group: dict[str, Any]
) -> None:
    for weight, state in zip(weights, states, strict=True):
        if not state:
            state["momentum"] = torch.zeros_like(weight)
    momenta = [state["momentum"] for state in states]
    torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
    ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
    directions = orthogonalize([matrix.flatten(1) for matrix in ahead])
    lengths = torch._foreach_clamp_min(torch._foreach_norm(directions), 1e-12)
    steps = torch._foreach_div(torch._foreach_mul(torch._foreach_norm(weights), group["lr"]), lengths)
    torch._foreach_mul_(directions, steps)
    torch._foreach_sub_(weights, [d.view_as(w) for d, w in zip(directions, weights, strict=True)])


def _adam_step(
    biases: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], group: dict[str, Any]
) -> None:
    for bias, state in zip(biases, states, strict=True):
        if not state:
            state["first"], state["second"] = torch.zeros_like(bias), torch.zeros_like(bias)
            state["count"] = torch.zeros(())
        state["count"] = state["count"].cpu()  # read here at every step; a trainer that resumes moves it to the GPU
        state["count"] += 1
    beta1, beta2 = group["betas"]
    counts = [float(state["count"]) for state in states]
    first, second = [state["first"] for state in states], [state["second"] for state in states]
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_lerp_(second, torch._foreach_mul(gradients, gradients), 1 - beta2)
    scale = torch._foreach_sqrt(torch._foreach_div(second, [1 - beta2**count for count in counts]))
    torch._foreach_add_(scale, 1e-8)
    torch._foreach_addcdiv_(biases, first, scale, [-group["lr"] / (1 - beta1**count) for count in counts])
