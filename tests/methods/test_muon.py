from __future__ import annotations

import pytest
import torch
from torch.nn import Parameter

from adain.methods.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalize_keeps_the_singular_vectors(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalize(matrix)
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
    torch.testing.assert_close(orthogonalize(matrix), x, rtol=1e-4, atol=1e-6)


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
        direction = orthogonalize((0.7 * moment + 0.3 * gradient).flatten(1)).view_as(expected)
        expected = expected - 0.1 * expected.norm() * direction / direction.norm()
        weight.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-5)
