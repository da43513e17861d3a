"""How much of a picture's structure is kept, and how near its colors are to another's: pure functions."""

from __future__ import annotations

import torch
from torch import Tensor

from adain.runtime.errors import InputError

_ROWS = 256  # of a similarity matrix that are taken in full


def cfsd(output: Tensor, content: Tensor) -> Tensor:
    """Return the Content Feature Structural Distance: how far the self-similarity of the patches has moved.

    Each position's similarities to all positions, ``softmax_j(<f_i, f_j> / C^2)``, are a distribution. CFSD is the
    Kullback-Leibler divergence of the output's from the content's, summed over positions, as the authors' code does. It
    therefore grows with the number of positions: compare pictures of one size only. Published values are of torchvision's
    VGG-19; those of the normalized VGG-19 are on another scale.

    Args:
        output: ``N x C x H x W``, relu3_1 features of the output.
        content: The same shape, of the content.

    Returns:
        ``N`` values in float32, at least 0; 0 for equal self-similarity; exact up to 256
        positions (64 x 64 px), beyond estimated without bias, a pair within half a hundredth.

    Source:
        Chung et al. 2024 (StyleID), ``PatchSimi`` of the published evaluation code.
    """
    if output.shape != content.shape:
        raise InputError(
            f"CFSD compares features of one size, but they are {tuple(output.shape)} and {tuple(content.shape)}: "
            "give an output of the content's size"
        )
    return torch.stack([_cfsd_one(o.flatten(1), c.flatten(1)) for o, c in zip(output, content, strict=True)])


def _cfsd_one(output: Tensor, content: Tensor) -> Tensor:
    """Return the divergence of one picture, ``C x positions``.

    The distributions are nearly uniform, so half the variance of the logits' difference comes within a hundredth of each
    row's divergence, and needs C x C matrices alone. What it lacks is measured on some rows, all if there are few, and
    scaled: at 512 px that takes a fiftieth of the time of all rows.
    """
    channels, positions = output.shape
    output, content = output.float() / channels, content.float() / channels
    approximate = _second_order(output, content, output, content)
    if positions <= _ROWS:
        chosen = torch.arange(positions, device=output.device)
    else:
        chosen = torch.randperm(positions, generator=torch.Generator().manual_seed(0))[:_ROWS].to(output.device)
    some_output, some_content = output[:, chosen], content[:, chosen]
    # in float32 the logarithms' difference would be mostly rounding
    wanted = torch.log_softmax((some_content.T @ content).double(), dim=1)
    found = torch.log_softmax((some_output.T @ output).double(), dim=1)
    lacking = (wanted.exp() * (wanted - found)).sum() - _second_order(some_output, some_content, output, content)
    return (approximate + lacking * (positions / len(chosen))).clamp_min(0).float()


def _second_order(rows: Tensor, content_rows: Tensor, output: Tensor, content: Tensor) -> Tensor:
    """Return half the variance over columns of the logits' difference, summed over rows, without the logits.

    Args:
        rows: ``C x M``, the output's features at the rows' positions.
        content_rows: The same of the content.
        output: ``C x positions``, at all columns.
        content: The same of the content.
    """
    pairs = ((rows, rows, output, output, 1), (content_rows, rows, content, output, -2),
             (content_rows, content_rows, content, content, 1))  # fmt: skip
    squares = sum(
        (factor * ((a @ b.T).double() * (c @ d.T).double()).sum() for a, b, c, d, factor in pairs), torch.zeros(())
    )
    means = rows.T @ output.mean(1) - content_rows.T @ content.mean(1)
    return (squares / output.shape[1] - means.double().square().sum()) / 2


def color_histogram(picture: Tensor, bins: int = 8) -> Tensor:
    """Return the share of a picture's pixels in each cell of the RGB cube, ``N x bins^3`` in float32, summing to 1.

    Pictures are ``N x 3 x H x W``, RGB in [0, 1].
    """
    cell = (picture.float() * bins).long().clamp_(0, bins - 1)
    index = (cell[:, 0] * bins + cell[:, 1]) * bins + cell[:, 2]
    size = bins**3
    offset = torch.arange(len(picture), device=picture.device).view(-1, 1) * size
    counts = torch.bincount((index.flatten(1) + offset).flatten(), minlength=len(picture) * size)
    return counts.view(-1, size).float() / index[0].numel()


def color_distance(picture: Tensor, other: Tensor, bins: int = 8) -> Tensor:
    """Return the Hellinger distance of two pictures' joint RGB histograms, ``sqrt(1 - sum sqrt(p q))``.

    Args:
        picture: ``N x 3 x H x W``, RGB in [0, 1].
        other: ``N`` or 1 pictures of any size.
        bins: Cells along each axis.

    Returns:
        ``N`` values in float32, from 0 (the same histogram) to 1 (no cell in common).
    """
    overlap = (color_histogram(picture, bins).double() * color_histogram(other, bins).double()).sqrt().sum(1)
    return (1 - overlap).clamp_min(0).sqrt().float()
