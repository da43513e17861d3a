"""What the metrics see of pictures: their pixels, checked, and VGG-19's features of them, taken once for all metrics."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adain.functional.losses import gram
from adain.functional.statistics import Statistics, channel_statistics
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError

STRUCTURE_LAYER = "relu3_1"
"""Where CFSD compares patches (Chung et al. 2024)."""


def check_pictures(**pictures: Tensor) -> None:
    """Holds pictures against the one convention.

    Args:
        pictures: By the name that the message shall use.

    Raises:
        InputError: If one is not floating ``N x 3 x H x W``, holds a NaN, or leaves [0, 1].
    """
    for name, picture in pictures.items():
        if picture.ndim != 4 or picture.shape[1] != 3 or not picture.is_floating_point():
            raise InputError(
                f"the {name} is {picture.dtype} of shape {tuple(picture.shape)}, but metrics take floating "
                "N x 3 x H x W, RGB in [0, 1]: divide 8-bit pixels by 255"
            )
        low, high = (float(value) for value in torch.aminmax(picture.detach()))
        if not (low >= 0 and high <= 1):  # a NaN fails both
            raise InputError(
                f"the {name} has values from {low:.4g} to {high:.4g}, but metrics take RGB in [0, 1]: "
                "clamp decoder outputs, and undo any normalization"
            )


@dataclass(frozen=True)
class Features:
    """What is kept of one VGG-19 pass over N pictures.

    Attributes:
        statistics: At relu1_1, relu2_1, relu3_1 and relu4_1.
        grams: At the same layers, ``N x C x C``.
        structure: Features at relu3_1, ``N x 256 x H/4 x W/4``.
        deepest: Features at relu4_1, ``N x 512 x H/8 x W/8``.
    """

    statistics: dict[str, Statistics]
    grams: dict[str, Tensor]
    structure: Tensor
    deepest: Tensor

    def __getitem__(self, index: slice) -> Features:
        """The features of some of the pictures."""
        return Features(
            {name: Statistics(s.mean[index], s.std[index]) for name, s in self.statistics.items()},
            {name: matrix[index] for name, matrix in self.grams.items()},
            self.structure[index],
            self.deepest[index],
        )


def stack(parts: Sequence[Features]) -> Features:
    """The features of several batches of pictures of one size as those of one batch."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Features(
        {
            name: Statistics(
                torch.cat([p.statistics[name].mean for p in parts]), torch.cat([p.statistics[name].std for p in parts])
            )
            for name in first.statistics
        },
        {name: torch.cat([p.grams[name] for p in parts]) for name in first.grams},
        torch.cat([p.structure for p in parts]),
        torch.cat([p.deepest for p in parts]),
    )


@torch.no_grad()
def observe(encoder: Encoder, picture: Tensor) -> Features:
    """One pass of the encoder over pictures, each feature map dropped as soon as it was used.

    Args:
        encoder: VGG-19.
        picture: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.
    """
    statistics, grams = {}, {}
    structure = deepest = picture
    for name, features in encoder.iter_features(picture, (*STYLE_LAYERS, STRUCTURE_LAYER)):
        if name in STYLE_LAYERS:
            statistics[name], grams[name] = channel_statistics(features), gram(features)
        if name == STRUCTURE_LAYER:
            structure = features
        if name == BOTTLENECK:
            deepest = features
    return Features(statistics, grams, structure, deepest)


class FeatureCache:
    """Features of pictures, those of the last few kept, so that several metrics of one batch share one pass.

    Pictures are recognized by identity: the same tensor object, not changed in between.

    Args:
        encoder: VGG-19.
        keep: How many batches are remembered: an output, its content and its style.
    """

    def __init__(self, encoder: Encoder, keep: int = 3) -> None:
        self.encoder, self.keep = encoder, keep
        self._seen: OrderedDict[int, tuple[Tensor, Features]] = OrderedDict()

    def __call__(self, picture: Tensor) -> Features:
        """The features, computed or remembered."""
        if (seen := self._seen.get(id(picture))) is not None and seen[0] is picture:
            return seen[1]
        return self.remember(picture, observe(self.encoder, picture))

    def remember(self, picture: Tensor, features: Features) -> Features:
        """Keeps features that were computed elsewhere. Gives them back."""
        self._seen[id(picture)] = (picture, features)  # the picture is held, so its id cannot be another's
        while len(self._seen) > self.keep:
            self._seen.popitem(last=False)
        return features
