"""Flicker of clips made by hand."""

from __future__ import annotations

import pytest
import torch

from adain.errors import UserError
from adain.metrics.flicker import Flicker, flicker


def test_of_a_pulsing_and_a_still_clip() -> None:
    still, pulse = torch.full((4, 3, 8, 8), 0.5), torch.full((4, 3, 8, 8), 0.5)
    pulse[1::2] = 0.75
    assert float(flicker(pulse, still)) == pytest.approx(0.25)
    assert float(flicker(still, pulse)) == pytest.approx(-0.25)
    assert float(flicker(pulse, pulse)) == 0


def test_transitions_weigh_the_same() -> None:
    still, pulse = torch.zeros(4, 3, 8, 8), torch.zeros(4, 3, 8, 8)
    pulse[1::2] = 0.4
    metric = Flicker()
    metric.update(pulse, still)
    metric.update(still[:2], still[:2])
    assert float(metric.compute()) == pytest.approx(0.4 * 3 / 4)


def test_refusals() -> None:
    clip = torch.zeros(3, 3, 8, 8)
    with pytest.raises(UserError, match="as many output frames"):
        flicker(clip, clip[:2])
    with pytest.raises(UserError, match=r"the output video has values"):
        flicker(clip + 2, clip)
