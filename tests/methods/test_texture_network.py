from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adain.data.picture import to_picture
from adain.methods.texture_network import Generator, TextureNetwork
from adain.nn.encoder import STYLE_LAYERS
from adain.runtime.errors import InputError
from adain.runtime.schema import StyleMeasure
from tests.helpers.tensors import sample_pair


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("style") / "painting.png"
    to_picture(sample_pair(96)[1][0]).save(path)
    return str(path)


def built(painting: str, **given: object) -> TextureNetwork:
    torch.manual_seed(0)
    method = TextureNetwork(painting, width=4, blocks=1, style_size=None, **given)  # type: ignore[arg-type]
    method.init_weights(lambda count: pytest.fail("a texture network needs no pictures to start"))
    return method


def test_its_size_is_the_published_one() -> None:
    """Counted by hand from the table of Johnson et al. 2016, with a scale and shift for each normalized channel."""
    convolutions = [(3, 32, 9), (32, 64, 3), (64, 128, 3), *[(128, 128, 3)] * 10, (128, 64, 3), (64, 32, 3)]
    wanted = sum(i * o * k * k + o + 2 * o for i, o, k in convolutions) + 32 * 3 * 9 + 3
    assert sum(parameter.numel() for parameter in Generator().parameters()) == wanted


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (43, 18)])
def test_any_size_works(size: tuple[int, int]) -> None:
    assert Generator(4, 1)(torch.rand(2, 3, *size)).shape == (2, 3, *size)


def test_contrast_of_the_content_does_not_matter() -> None:
    """Instance normalization behind the first convolution: what the paper introduced it for."""
    torch.manual_seed(0)
    generator, picture = Generator(4, 1), torch.rand(1, 3, 32, 32)
    faint = 0.5 + 0.5 * (picture - 0.5)
    with torch.no_grad():
        torch.testing.assert_close(generator(faint), generator(picture), atol=2e-3, rtol=1e-2)


def test_it_starts_at_the_contents_light_in_the_colors_of_the_style(painting: str) -> None:
    generator = built(painting).generator
    content, style = sample_pair(96)
    pixels = (style[0] * 255).round().flatten(1).numpy().astype(np.float64) / 255
    assert generator.layers[-1].weight.norm() > 0  # or Muon could never move it
    with torch.no_grad():
        generator.layers[-1].weight.zero_()
        start = generator(content)[0].flatten(1).double().numpy()
    light = content[0].mean(0).flatten().double().numpy()
    light = (light - light.mean()) / np.sqrt(light.var() + 1e-5)
    # the best line through the style's colors, by singular values
    directions, sizes, _ = np.linalg.svd(pixels - pixels.mean(1, keepdims=True), full_matrices=False)
    axis = directions[:, 0] * np.sign(directions[:, 0].sum()) * sizes[0] / np.sqrt(pixels.shape[1])
    np.testing.assert_allclose(start, pixels.mean(1)[:, None] + axis[:, None] * light, atol=2e-3)


@pytest.mark.parametrize("measure", ["gram", "statistics"])
def test_the_terms_against_an_independent_formula(painting: str, measure: StyleMeasure) -> None:
    method = built(painting, measure=measure)
    content, style = sample_pair(96)
    style = (style * 255).round() / 255
    with torch.no_grad():
        terms, output = method.losses(content, torch.rand_like(content))
        torch.testing.assert_close(output.clamp(0, 1), method.stylize(content))
        out, wanted = (
            {k: v[0].flatten(1).double().numpy() for k, v in method.encoder.extract_features(x).items()}
            for x in (output, style)
        )
        own = method.encoder(content)[0].flatten(1).double().numpy()
    for name in STYLE_LAYERS:
        a, b = out[name], wanted[name]
        if measure == "gram":
            expected = np.square(np.einsum("ik,jk->ij", a, a) / a.shape[1] - np.einsum("ik,jk->ij", b, b) / b.shape[1])
            assert terms[f"style/{name}"].item() == pytest.approx(expected.mean() / 4, rel=1e-4)
        else:
            expected = (a.mean(1) - b.mean(1)) ** 2 + (np.sqrt(a.var(1) + 1e-5) - np.sqrt(b.var(1) + 1e-5)) ** 2
            assert terms[f"style/{name}"].item() == pytest.approx(expected.mean(), rel=1e-4)
    assert terms["content"].item() == pytest.approx(((out["relu4_1"] - own) ** 2).mean(), rel=1e-4)


def test_it_learns_its_style(painting: str) -> None:
    method = built(painting, measure="statistics", content_weight=0.0)
    content = torch.cat([sample_pair(48, index)[0] for index in (3, 4)])
    optimizer, totals = torch.optim.Adam(method.parameters(), lr=1e-2), []
    for _ in range(25):
        terms, _ = method.losses(content, content)
        loss = torch.stack([term for name, term in terms.items() if name.startswith("style")]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        totals.append(loss.item())
    assert totals[-1] < 0.6 * totals[0]


def test_the_style_travels_in_the_checkpoint(painting: str) -> None:
    method = built(painting)
    again = TextureNetwork("/gone.png", width=4, blocks=1)
    again.load_state_dict(method.state_dict())
    content = sample_pair(48)[0]
    with torch.no_grad():
        for name, term in method.losses(content, content)[0].items():
            assert torch.equal(term, again.losses(content, content)[0][name])


def test_a_style_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("nothing")
    with pytest.raises(InputError, match=r"style=.*no\.png cannot be used"):
        TextureNetwork(str(tmp_path / "no.png"), width=4, blocks=1).init_weights(
            lambda count: pytest.fail("no pictures")
        )


def test_what_it_cannot_do_names_what_can(painting: str, pictures: Tensor) -> None:
    with pytest.raises(InputError, match="use adain or style_swap"):
        built(painting).stylize(pictures, alpha=0.5)
