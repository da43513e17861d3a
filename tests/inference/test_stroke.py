"""Strokes in proportion to the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from adain.inference import stroke as module
from adain.inference.stroke import resized, with_detail, working_size
from adain.inference.stylizer import Stylizer
from adain.runtime.errors import InputError
from tests.helpers.pictures import edged

PAINTING = F.interpolate(torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)), scale_factor=2.5)
"""Of one brush: dabs of two or three pixels."""


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer.load("shipped", device="cpu")


def hills(height: int, width: int) -> Tensor:
    """The same picture at any size, of nothing finer than six waves a width."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    random = np.random.default_rng(0)
    layers = []
    for _ in range(3):
        waves = [
            torch.cos(2 * torch.pi * (kx * x + ky * y) / width + phase)
            for kx, ky, phase in zip(*random.uniform(-6, 6, (2, 8)), random.uniform(0, 6, 8), strict=True)
        ]
        layers.append(0.5 + 0.06 * torch.stack(waves).sum(0))
    return torch.stack(layers)[None].clamp(0, 1)


def stroke_frequency(picture: Tensor) -> float:
    """Waves a width at the peak of the spectrum, an octave weighing as much as another, above those of ``hills``."""
    gray = picture.mean(1)[0].double()
    height, width = gray.shape
    window = torch.hann_window(height, periodic=False)[:, None] * torch.hann_window(width, periodic=False)
    power = torch.fft.rfft2((gray - gray.mean()) * window).abs() ** 2
    rows, columns = torch.fft.fftfreq(height, 1 / width), torch.arange(width // 2 + 1)
    octave = (rows[:, None] ** 2 + columns**2).sqrt().clamp_min(1e-9).log2()
    centers = torch.arange(3.5, float(octave.max()), 1 / 16)
    around = torch.stack([(power * (-0.5 * ((octave - center) / 0.2) ** 2).exp()).sum() for center in centers])
    return float(2 ** centers[int(around.argmax())])


def test_the_working_size_is_a_share_of_a_fixed_one() -> None:
    assert working_size(3000, 4000, 1) == (384, 512)
    assert working_size(384, 512, 1) == (384, 512)
    assert working_size(4000, 3000, 2) == (256, 192)
    assert working_size(90, 120, 0.5) == (768, 1024)


@pytest.mark.parametrize("stroke", [0, 0.05, 17, float("nan"), True, "wide"])
def test_a_stroke_out_of_range_is_refused(stroke: Any) -> None:
    with pytest.raises(InputError, match="is out of range: give"):
        working_size(64, 64, stroke)


def test_a_stroke_wider_than_a_narrow_picture_allows_is_refused() -> None:
    with pytest.raises(InputError, match="leaves 32 x 8 pixels"):
        working_size(1000, 4000, 16)


def test_what_is_not_stylized_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the stylized picture follows the content, the content's own detail is there again; in strips as at once."""
    content = 0.5 + 0.15 * torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    content = F.avg_pool2d(content.clamp(0, 1), 3, 1, 1)
    small = resized(content, (48, 64))
    back = with_detail(small, small, content)
    lost = (resized(small, (96, 128)) - content).abs().mean()
    assert (back - content).abs().mean() < 0.1 * lost
    monkeypatch.setattr(module, "_STRIP", 7 * 128)
    assert torch.allclose(with_detail(small, small, content), back, atol=1e-6)


def test_what_has_nothing_of_the_content_is_enlarged_as_it_is() -> None:
    content = torch.randint(0, 256, (2, 3, 80, 96), dtype=torch.uint8)
    flat = torch.full((2, 3, 40, 48), 0.5)
    made = with_detail(hills(40, 48).expand(2, -1, -1, -1), flat, content)
    assert made.dtype == torch.uint8
    enlarged = F.interpolate(hills(40, 48), (80, 96), mode="bicubic").clamp(0, 1)
    assert (made / 255 - enlarged).abs().max() < 0.01


def test_a_picture_is_stylized_at_the_working_size(stylizer: Stylizer) -> None:
    content = hills(96, 128)
    small = resized(content, (24, 32))
    wanted = with_detail(stylizer.stylize(small, PAINTING), small, content)
    assert torch.allclose(stylizer.stylize(content, PAINTING, stroke=16), wanted, atol=1e-5)
    assert (wanted - stylizer.stylize(content, PAINTING)).abs().mean() > 0.02


def test_size_kind_transparency_and_what_no_mask_covers_stay(stylizer: Stylizer) -> None:
    photo = edged((120, 160)).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    half = torch.zeros(120, 160)
    half[:, :80] = 1
    made = stylizer.stylize(photo, styles=[PAINTING], masks=[half], stroke=8)
    assert (made.size, made.mode) == (photo.size, "RGBA")
    assert np.array_equal(np.asarray(made)[..., 3], np.asarray(photo)[..., 3])
    content = torch.rand(3, 120, 160)
    part = stylizer.stylize(content, styles=[PAINTING], masks=[half], stroke=8)
    assert torch.equal(part[..., 80:], content[..., 80:])
    assert not torch.equal(part[..., :80], content[..., :80])
    assert len(stylizer.stylize([photo, photo], PAINTING, stroke=16)) == 2


def relative(stylizer: Stylizer, widths: list[int], stroke: float | None) -> list[float]:
    made = [stylizer.stylize(hills(width // 2, width), PAINTING, stroke=stroke) for width in widths]
    return [stroke_frequency(one) for one in made]


def test_strokes_have_one_size_in_pictures_and_without_it_one_in_pixels(stylizer: Stylizer) -> None:
    one, other = relative(stylizer, [128, 512], stroke=4)
    assert abs(other / one - 1) < 0.1
    small, large = relative(stylizer, [128, 256], stroke=None)
    assert large > 1.3 * small


@pytest.mark.slow
def test_from_512_to_4096_pixels_strokes_differ_by_less_than_a_tenth(stylizer: Stylizer) -> None:
    found = relative(stylizer, [512, 1024, 2048, 4096], stroke=1)
    assert max(found) / min(found) < 1.1
