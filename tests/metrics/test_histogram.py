"""The RGB-uv histogram against a loop over pixels and bins, and on colors whose distance is known."""

from __future__ import annotations

import math

import pytest
import torch

from adain.metrics.histogram import histogram_distance, rgb_uv_histogram


def test_against_a_loop() -> None:
    picture = torch.rand(1, 3, 2, 3, generator=torch.Generator().manual_seed(1))
    expected = torch.zeros(3, 64, 64, dtype=torch.float64)
    for pixel in picture[0].flatten(1).T.double().tolist():
        brightness = math.sqrt(sum(value**2 for value in pixel) + 1e-6)
        for color, (u, v) in enumerate(((1, 2), (0, 2), (0, 1))):
            for i in range(64):
                for j in range(64):
                    ratios = (math.log((pixel[color] + 1e-6) / (pixel[k] + 1e-6)) for k in (u, v))
                    near = (
                        1 / (1 + ((ratio - (-3 + 6 * at / 63)) / 0.02) ** 2)
                        for ratio, at in zip(ratios, (i, j), strict=True)
                    )
                    expected[color, i, j] += brightness * math.prod(near)
    torch.testing.assert_close(rgb_uv_histogram(picture)[0].double(), expected / expected.sum(), rtol=1e-3, atol=1e-7)


def test_distances() -> None:
    red, blue = torch.zeros(2, 1, 3, 8, 8)
    red[:, 0], blue[:, 2] = 0.9, 0.9
    assert float(histogram_distance(red, red)) == 0
    assert float(histogram_distance(red, blue)) > 0.5
    large = torch.rand(1, 3, 300, 280, generator=torch.Generator().manual_seed(0))
    small = torch.nn.functional.interpolate(large, (256, 256), mode="bilinear")
    assert float(histogram_distance(large, small)) == pytest.approx(0, abs=1e-3)
