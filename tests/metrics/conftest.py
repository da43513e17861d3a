"""Pictures for the metrics' tests."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def three(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Output, content and style of two pairs, 2 x 3 x 48 x 40 and 2 x 3 x 40 x 48."""
    generator = torch.Generator().manual_seed(11)
    output = (pictures + 0.2 * torch.rand(pictures.shape, generator=generator)).clamp(0, 1)
    style = torch.rand(2, 3, 40, 48, generator=generator)
    return output, pictures, style
