"""Style swap: replace patches of the content features by the most similar patches of the style features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def style_swap(
    content: Tensor, style: Tensor, patch_size: int = 3, stride: int = 1, budget: int = 64 * 2**20
) -> Tensor:
    """Replace each patch of the content features by the style patch most similar to it.

    Similarity is the normalized cross-correlation ``<p, q> / (|p| |q|)``. The norm of the content patch p does not
    change which style patch q is best, so one convolution of the content with the normalized style patches gives all
    scores. The paper puts the chosen patches back with a transposed convolution of the one-hot choice; a gather and an
    overlap-add give the same. Overlapping patches are averaged.

    All scores together would take ``(H W)^2`` numbers, 1 GiB at 512 px. Style patches are therefore compared in chunks,
    and only the best score so far is kept.

    Args:
        content: ``N x C x H x W`` features, H and W at least ``patch_size``.
        style: ``N`` or ``1 x C x h x w``, h and w at least ``patch_size``.
        patch_size: Side of a patch, in positions of the feature map.
        stride: Distance between patches, in both maps; at most ``patch_size``, so that every position is covered.
        budget: Bytes that the scores of one chunk may take.

    Returns:
        ``N x C x H x W`` in the dtype of ``content``.

    Source:
        Chen & Schmidt 2016, sections 3.1 and 3.2.
    """
    size, styles = content.shape[-2:], style.to(content.dtype)
    # pad to a whole number of strides, so that the border is swapped too
    short = [(stride - (side - patch_size) % stride) % stride for side in size]
    padded = F.pad(content, (0, short[1], 0, short[0]), mode="replicate")
    swapped = [
        _swap_one(sample[None], styles[index if len(styles) > 1 else 0][None], patch_size, stride, budget)
        for index, sample in enumerate(padded)
    ]
    return torch.cat(swapped)[..., : size[0], : size[1]]


def _swap_one(content: Tensor, style: Tensor, patch_size: int, stride: int, budget: int) -> Tensor:
    channels, size = style.shape[1], content.shape[-2:]
    patches = F.unfold(style, patch_size, stride=stride)[0].T.contiguous()  # one patch per row
    norms = patches.float().norm(dim=1, keepdim=True).clamp_min(1e-8)
    rows, columns = ((side - patch_size) // stride + 1 for side in size)
    best = torch.full((rows, columns), -torch.inf, device=content.device)
    chosen = torch.zeros(rows, columns, dtype=torch.long, device=content.device)
    chunk = max(1, budget // (best.element_size() * rows * columns))
    for start in range(0, len(patches), chunk):
        part = slice(start, start + chunk)
        kernels = (patches[part] / norms[part]).to(content.dtype).view(-1, channels, patch_size, patch_size)
        score, index = F.conv2d(content, kernels, stride=stride)[0].max(0)
        better = score > best
        best = torch.where(better, score.to(best.dtype), best)
        chosen = torch.where(better, index + start, chosen)
    columns_of_patches = patches[chosen.flatten()].T[None]
    summed = F.fold(columns_of_patches, size, patch_size, stride=stride)
    ones = torch.ones(1, patch_size**2, rows * columns, dtype=content.dtype, device=content.device)
    return summed / F.fold(ones, size, patch_size, stride=stride)
