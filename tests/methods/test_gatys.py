from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from adain.methods.gatys import Gatys, Iterate
from adain.nn.encoder import Encoder
from adain.runtime.errors import InputError
from adain.runtime.schema import StyleMeasure
from tests.helpers.networks import RELUS, published_network
from tests.helpers.tensors import sample_pair


def run(encoder: Encoder, content: Tensor, style: Tensor, **given: object) -> list[Iterate]:
    return list(Gatys(encoder, progress=False, **given).iterate(content, style))  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", ["gram", "statistics"])
def test_the_terms_against_an_independent_formula(encoder: Encoder, measure: StyleMeasure) -> None:
    """Double-precision numpy on the features of the published network."""
    content, style = sample_pair(64)
    found = run(encoder, content, style, measure=measure, iterations=2)[-1]

    def features(picture: Tensor) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        kept, x = {}, picture
        with torch.no_grad():
            for index, module in enumerate(published_network(), 1):
                x = module(x)
                kept |= {name: x[0].double().numpy() for name, position in RELUS.items() if position == index}
        return {name: array.reshape(len(array), -1) for name, array in kept.items()}

    out, own, wanted = features(found.picture), features(content), features(style)
    expected = 0.0
    for name in ("relu1_1", "relu2_1", "relu3_1", "relu4_1"):
        a, b = out[name], wanted[name]
        if measure == "gram":
            difference = np.einsum("ik,jk->ij", a, a) / a.shape[1] - np.einsum("ik,jk->ij", b, b) / b.shape[1]
            expected += (difference**2).sum() / (4 * len(a) ** 2)
        else:
            expected += ((a.mean(1) - b.mean(1)) ** 2).mean()
            expected += ((np.sqrt(a.var(1) + 1e-5) - np.sqrt(b.var(1) + 1e-5)) ** 2).mean()
    assert found.terms["style"] == pytest.approx(expected, rel=1e-4)
    assert found.terms["content"] == pytest.approx(((out["relu4_1"] - own["relu4_1"]) ** 2).mean(), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_falls_and_pixels_stay_in_range(encoder: Encoder, optimizer: str) -> None:
    content, style = sample_pair(48)
    found = run(encoder, content, style, optimizer=optimizer, measure="statistics", iterations=12)
    assert [iterate.iteration for iterate in found] == list(range(13))
    totals = [iterate.terms["content"] + 10 * iterate.terms["style"] for iterate in found]
    assert found[0].terms["content"] == pytest.approx(0, abs=1e-9), "the first is the content itself"
    assert totals[-1] < 0.4 * totals[0]
    for iterate in found:
        assert 0 <= iterate.picture.min() <= iterate.picture.max() <= 1
    assert torch.equal(found[0].picture, content)


def test_output_is_the_last_iterate_whatever_stands_beside_it(encoder: Encoder) -> None:
    content, style = sample_pair(40)
    method = Gatys(encoder, iterations=3, progress=False)
    contents = torch.cat([content, content.flip(3)])[..., :33, :]
    found = method.stylize(contents, style)
    assert found.shape == contents.shape
    alone = list(method.iterate(contents[1:], method.encode_style(style)))[-1].picture
    torch.testing.assert_close(found[1:], alone)
    styles = torch.cat([style, style.flip(1)])  # one a content
    torch.testing.assert_close(method.stylize(contents, styles)[1:], method.stylize(contents[1:], styles[1:]))


def test_scales_pass_through_smaller_pictures(encoder: Encoder) -> None:
    content, style = sample_pair(72)
    found = run(encoder, content[..., :66, :], style, scales=2, iterations=5)
    assert [tuple(iterate.picture.shape[-2:]) for iterate in found] == [(33, 36)] * 2 + [(66, 72)] * 4
    assert [iterate.iteration for iterate in found] == list(range(6))


def test_initial_pictures(encoder: Encoder) -> None:
    content, style = sample_pair(40)
    first, second = (run(encoder, content, style, initial="noise", iterations=1, seed=s)[0].picture for s in (1, 1))
    assert torch.equal(first, second)
    assert first.std() > 0.2
    assert not torch.equal(first, run(encoder, content, style, initial="noise", iterations=1, seed=2)[0].picture)
    given = run(encoder, content, style, initial=torch.full((1, 3, 20, 20), 0.25), iterations=1)[0].picture
    torch.testing.assert_close(given, torch.full((1, 3, 40, 40), 0.25))


def test_it_works_inside_inference_mode(encoder: Encoder) -> None:
    """Where the pictures of a command come from."""
    with torch.inference_mode():
        content, style = sample_pair(40)
        method = Gatys(encoder, iterations=1, progress=False)
        assert method.stylize(content, method.encode_style(style)).shape == content.shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"measure": "grams"}, "gram, statistics"),
        ({"optimizer": "sgd"}, "lbfgs, adam"),
        ({"initial": "contnt"}, "content, noise"),
        ({"iterations": 0}, "at least 1"),
        ({"iterations": 2, "scales": 3}, "at least one iteration per scale"),
    ],
)
def test_wrong_words_and_numbers_are_named(encoder: Encoder, given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Gatys(encoder, **given)  # type: ignore[arg-type]


def test_what_it_cannot_do_names_what_can(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="use adain or style_swap"):
        Gatys(encoder).stylize(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), alpha=0.5)
    with pytest.raises(InputError, match="at least 64 x 64"):
        Gatys(encoder, scales=3).encode_style(torch.rand(1, 3, 63, 80))
