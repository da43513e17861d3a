from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from adain.methods import muon as muon_module
from adain.methods.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalize_keeps_the_singular_vectors(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    (found,) = orthogonalize([matrix])
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.35
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    aligned = u.T @ found @ v.T
    assert (aligned - aligned.diagonal().diag()).abs().max() < 0.02


def test_equals_the_iteration_on_the_whole_matrix() -> None:
    matrix = torch.randn(6, 30, dtype=torch.float64)
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    torch.testing.assert_close(orthogonalize([matrix])[0], x, rtol=1e-4, atol=1e-6)


def test_a_step_changes_a_layer_by_the_given_share() -> None:
    weight = Parameter(torch.randn(8, 4, 3, 3))
    before = weight.detach().clone()
    optimizer = Muon([weight], lr=0.01, bias_lr=0.1)
    weight.grad = torch.randn_like(weight) * 1e-6
    optimizer.step()
    assert ((weight - before).norm() / before.norm()).item() == pytest.approx(0.01, rel=1e-3)


def test_biases_take_adams_step() -> None:
    ours, theirs = Parameter(torch.zeros(5)), Parameter(torch.zeros(5))
    muon, adam = Muon([ours], lr=1.0, bias_lr=0.1), torch.optim.Adam([theirs], lr=0.1)
    for seed in range(4):
        gradient = torch.randn(5, generator=torch.Generator().manual_seed(seed))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


SHAPES = [(8, 6, 3, 3), (6, 8, 3, 3), (6, 4, 3, 3), (8, 6, 3, 3), (6,), (20, 1, 3, 3), (3, 4, 3, 3), (8,)]


def one_by_one(parameters: list[Parameter], states: list[dict[str, Tensor]], lr: float, bias_lr: float) -> None:
    """Take a step with each layer by itself, as it is defined: momentum 0.9, betas 0.9 and 0.999."""
    for parameter, state in zip(parameters, states, strict=True):
        gradient, weight = parameter.grad, parameter.data
        assert gradient is not None
        if parameter.ndim > 1:
            state["momentum"] = 0.9 * state.get("momentum", torch.zeros_like(weight)) + 0.1 * gradient
            x = (0.1 * gradient + 0.9 * state["momentum"]).flatten(1)
            x = x / x.norm()
            for _ in range(5):
                gram = x @ x.T
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            weight -= lr * weight.norm() * x.view_as(weight) / x.norm()
        else:
            state["count"] = state.get("count", torch.zeros(())) + 1
            state["first"] = 0.9 * state.get("first", torch.zeros_like(weight)) + 0.1 * gradient
            state["second"] = 0.999 * state.get("second", torch.zeros_like(weight)) + 0.001 * gradient**2
            count = float(state["count"])
            first, second = state["first"] / (1 - 0.9**count), state["second"] / (1 - 0.999**count)
            weight -= bias_lr * first / (second.sqrt() + 1e-8)


def test_layers_taken_together_make_the_steps_of_layers_taken_by_themselves() -> None:
    """In float64 to the last digits; and from an older state, whose layout is the same."""
    together, alone = ([Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).double())
                        for shape in SHAPES] for _ in range(2))  # fmt: skip
    states: list[dict[str, Tensor]] = [{} for _ in SHAPES]
    muon = Muon(together, 0.01, 0.1)
    order = [id(p) for group in muon.param_groups for p in group["params"]]
    for seed in range(4):
        made = torch.Generator().manual_seed(seed)
        for a, b in zip(together, alone, strict=True):
            a.grad = torch.randn(a.shape, generator=made).double()
            b.grad = a.grad.clone()
        if seed == 2:
            kept = {order.index(id(a)): copy.deepcopy(state) for a, state in zip(together, states, strict=True)}
            muon = Muon(together, 0.01, 0.1)
            muon.load_state_dict({"state": kept, "param_groups": muon.state_dict()["param_groups"]})
        muon.step()
        one_by_one(alone, states, 0.01, 0.1)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_matrices_of_one_size_go_through_the_iterations_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    plain = muon_module._polynomials
    monkeypatch.setattr(muon_module, "_polynomials", lambda grams: (sizes.append(tuple(grams.shape)), plain(grams))[1])
    orthogonalize([torch.randn(shape) for shape in ((4, 9), (4, 6), (3, 8), (9, 4), (4, 4))])
    assert sizes == [(1, 3, 3), (4, 4, 4)]


def test_its_state_can_be_saved_and_loaded() -> None:
    def parameters() -> list[Parameter]:
        torch.manual_seed(0)
        return [Parameter(torch.randn(4, 2, 3, 3)), Parameter(torch.randn(4))]

    def advance(optimizer: Muon, given: list[Parameter], steps: range) -> None:
        for seed in steps:
            for parameter in given:
                parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
            optimizer.step()

    whole = parameters()
    advance(Muon(whole, 0.01, 0.1), whole, range(6))
    cut = parameters()
    first = Muon(cut, 0.01, 0.1)
    advance(first, cut, range(3))
    second = Muon(cut, 0.01, 0.1)
    second.load_state_dict(first.state_dict())
    advance(second, cut, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_its_momentum_is_nesterovs_of_all_gradients() -> None:
    """Written out for two steps: ``M <- b M + (1 - b) G``, direction ``b M + (1 - b) G``, length ``lr |W|``."""
    first, second = (torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    weight = Parameter(torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(0)))
    expected = weight.detach().clone()
    moment = torch.zeros_like(expected)
    optimizer = Muon([weight], lr=0.1, bias_lr=1.0, momentum=0.7)
    for gradient in (first, second):
        moment = 0.7 * moment + 0.3 * gradient
        direction = orthogonalize([(0.7 * moment + 0.3 * gradient).flatten(1)])[0].view_as(expected)
        expected = expected - 0.1 * expected.norm() * direction / direction.norm()
        weight.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-5)
