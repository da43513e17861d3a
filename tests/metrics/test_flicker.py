"""Change from frame to frame of clips made by hand."""

from __future__ import annotations

import pytest
import torch

from adain.metrics.flicker import frame_change


def test_of_a_pulsing_and_a_still_clip() -> None:
    still, pulse = torch.full((4, 3, 8, 8), 0.5), torch.full((4, 3, 8, 8), 0.5)
    pulse[1::2] = 0.75
    assert frame_change(pulse).tolist() == pytest.approx([0.25] * 3)
    assert frame_change(still).tolist() == [0] * 3
