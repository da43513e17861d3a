"""Style swap against a brute-force search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adain.functional.patches import style_swap


def brute_swap(content: np.ndarray, style: np.ndarray, size: int, stride: int) -> np.ndarray:  # type: ignore[type-arg]
    """Do what Chen & Schmidt describe, patch by patch: compare all pairs, place the best, average overlaps."""
    height, width = content.shape[1:]
    bottom, right = ((stride - (side - size) % stride) % stride for side in (height, width))
    content = np.pad(content, ((0, 0), (0, bottom), (0, right)), mode="edge")
    total, count = np.zeros_like(content), np.zeros(content.shape[1:])
    palette = [
        style[:, y : y + size, x : x + size]
        for y in range(0, style.shape[1] - size + 1, stride)
        for x in range(0, style.shape[2] - size + 1, stride)
    ]
    for y in range(0, content.shape[1] - size + 1, stride):
        for x in range(0, content.shape[2] - size + 1, stride):
            patch = content[:, y : y + size, x : x + size]
            cosines = [(patch * q).sum() / (np.linalg.norm(patch) * np.linalg.norm(q)) for q in palette]
            total[:, y : y + size, x : x + size] += palette[int(np.argmax(cosines))]
            count[y : y + size, x : x + size] += 1
    return (total / count)[:, :height, :width]


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (3, 3), (2, 1), (1, 1)])
@pytest.mark.parametrize("budget", [1, 2**20])
def test_style_swap_against_brute_force(size: int, stride: int, budget: int) -> None:
    """Cover chunks of one patch and of all patches, and sides that the stride does not divide."""
    random = torch.Generator().manual_seed(size * 10 + stride)
    content = torch.rand(2, 5, 9, 8, generator=random) - 0.3
    style = torch.rand(2, 5, 7, 10, generator=random) * torch.rand(1, 1, 7, 10, generator=random) * 4
    found = style_swap(content, style, size, stride, budget)
    for index in range(2):
        wanted = brute_swap(content[index].double().numpy(), style[index].double().numpy(), size, stride)
        np.testing.assert_allclose(found[index].numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_style_swap_is_a_transposed_convolution_of_the_one_hot_choice() -> None:
    """The paper's form: one convolution, arg max, one transposed convolution, overlaps averaged."""
    random = torch.Generator().manual_seed(3)
    content, style = torch.rand(1, 6, 10, 9, generator=random), torch.rand(1, 6, 8, 8, generator=random)
    patches = F.unfold(style, 3)[0].T.reshape(-1, 6, 3, 3)
    scores = F.conv2d(content, patches / patches.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
    choice = F.one_hot(scores.argmax(1), len(patches)).permute(0, 3, 1, 2).float()
    wanted = F.conv_transpose2d(choice, patches) / F.conv_transpose2d(torch.ones(1, 1, 8, 7), torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(style_swap(content, style), wanted)


def test_swapping_a_picture_with_itself_changes_nothing() -> None:
    content = torch.rand(1, 6, 10, 9)
    torch.testing.assert_close(style_swap(content, content), content)


def test_one_style_broadcasts_over_a_batch() -> None:
    content, style = torch.rand(3, 4, 6, 6), torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(style_swap(content, style), style_swap(content, style.expand(3, -1, -1, -1)))


# --- several styles, regions ----------------------------------------------------------------------------------------
