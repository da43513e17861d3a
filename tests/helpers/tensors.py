"""Pictures as networks take them, N x 3 x H x W in [0, 1]."""

from __future__ import annotations

import torch

from adain.data.picture import read_picture, to_tensor, to_unit
from adain.data.sample import sample_folder


def smooth_tensor(seed: int, height: int, width: int, count: int = 1) -> torch.Tensor:
    """Random colors without edges: no two seeds look alike."""
    coarse = torch.rand(count, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def sample_pair(size: int, index: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A sample photograph and a sample painting, squares."""
    crops = []
    for kind in ("content", "style"):
        path = sorted(sample_folder(kind).iterdir())[index]  # type: ignore[arg-type]
        crops.append(to_unit(to_tensor(read_picture(path, size)))[None, :, :size, :size])
    return crops[0], crops[1]
