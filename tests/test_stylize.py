"""The Python face of a decoder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from adain.data.picture import to_picture, to_tensor, to_unit
from adain.errors import UserError
from adain.functional import Statistics
from adain.stylize import Stylizer


def drawn(width: int, height: int, ground: str, stroke: str) -> Image.Image:
    """A picture with edges and a texture."""
    picture = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width // 8, height // 8, width // 2, height // 2), fill=stroke)
    for x in range(0, width, 6):
        pen.line((x, height, width, x), fill=stroke)
    return picture


CONTENT = drawn(65, 47, "navy", "khaki")
STYLE = drawn(64, 72, "orange", "darkred")


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", device="cpu")


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, in grey levels."""
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def test_alpha_0_is_the_reconstruction(stylizer: Stylizer) -> None:
    with torch.inference_mode():
        features = stylizer.encoder(to_unit(to_tensor(CONTENT))[None])
        reconstruction = to_picture(stylizer.decoder(features)[0, :, :47, :65])
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=0), reconstruction) < 0.01


def test_alpha_1_is_another_picture(stylizer: Stylizer) -> None:
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=1), stylizer.stylize(CONTENT, STYLE, alpha=0)) > 10


def test_the_full_style_is_the_default(stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT, STYLE) == stylizer.stylize(CONTENT, STYLE, alpha=1)


def test_alpha_between_lies_between(stylizer: Stylizer) -> None:
    plain, half, full = (stylizer.stylize(CONTENT, STYLE, alpha=alpha) for alpha in (0, 0.5, 1))
    assert 0 < distance(plain, half) < distance(plain, full)


def test_the_content_is_still_to_be_seen(stylizer: Stylizer) -> None:
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=0), CONTENT) < distance(STYLE.resize(CONTENT.size), CONTENT)


def test_an_encoded_style_gives_the_same_picture(stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT, stylizer.encode_style(STYLE)) == stylizer.stylize(CONTENT, STYLE)


def test_an_encoded_style_is_statistics_alone(stylizer: Stylizer) -> None:
    encoded = stylizer.encode_style(STYLE)
    assert isinstance(encoded, Statistics)
    assert encoded.mean.shape == encoded.std.shape == (1, 512, 1, 1)


def test_another_style_gives_another_picture(stylizer: Stylizer) -> None:
    other = drawn(64, 64, "white", "green")
    assert distance(stylizer.stylize(CONTENT, STYLE), stylizer.stylize(CONTENT, other)) > 10


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (65, 47), (64, 64), (71, 72)])
def test_the_output_has_the_contents_size(size: tuple[int, int], stylizer: Stylizer) -> None:
    assert stylizer.stylize(drawn(*size, "navy", "khaki"), STYLE).size == size


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_other_modes_are_taken(mode: str, stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT.convert(mode), STYLE.convert(mode)).mode == "RGB"


@pytest.mark.parametrize("alpha", [-0.1, 1.1, 2, math.nan])
def test_alpha_out_of_range_is_a_users_message(alpha: float, stylizer: Stylizer) -> None:
    with pytest.raises(UserError, match=f"alpha={alpha}"):
        stylizer.stylize(CONTENT, STYLE, alpha)


@pytest.mark.parametrize("size", [(1, 1), (15, 64), (64, 15)])
def test_a_tiny_content_is_a_users_message(size: tuple[int, int], stylizer: Stylizer) -> None:
    with pytest.raises(UserError, match=f"content picture is {size[0]} x {size[1]}.*16 x 16"):
        stylizer.stylize(Image.new("RGB", size), STYLE)


def test_a_tiny_style_is_a_users_message(stylizer: Stylizer) -> None:
    with pytest.raises(UserError, match="style picture is 8 x 8"):
        stylizer.encode_style(Image.new("RGB", (8, 8)))


def test_a_decoder_that_is_not_there_is_a_users_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.ckpt"):
        Stylizer.load(tmp_path / "missing.ckpt")


def test_the_networks_are_left_unchanged(stylizer: Stylizer) -> None:
    before = [parameter.clone() for parameter in stylizer.decoder.parameters()]
    stylizer.stylize(CONTENT, STYLE)
    assert all(torch.equal(a, b) for a, b in zip(before, stylizer.decoder.parameters(), strict=True))
