"""LPIPS (Zhang et al. 2018) with AlexNet or VGG-16, weights found through ``weights``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain.nn.weights import find, read_arrays
from adain.runtime.schema import LpipsNetwork

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's: LPIPS' shift and scale seen from [0, 1]


class _Plan(NamedTuple):
    """A backbone: convolutions in order, max-pools before some of them, taps after the ReLU of some."""

    name: str
    convolutions: tuple[tuple[int, int], ...]  # stride, padding
    pool: int  # side of a pooling window; its stride is 2
    pooled: tuple[int, ...]
    taps: tuple[int, ...]


PLANS: dict[LpipsNetwork, _Plan] = {
    "alexnet": _Plan("AlexNet_0", ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1)), 3, (1, 2), (0, 1, 2, 3, 4)),
    "vgg16": _Plan("VGG16_0", ((1, 1),) * 13, 2, (2, 4, 7, 10), (1, 3, 6, 9, 12)),
}


class Lpips(nn.Module):
    """Learned Perceptual Image Patch Similarity, version 0.1 with its linear heads.

    Feature maps are scaled to unit length over channels, squared differences are weighted by the heads, averaged over
    positions and summed over five layers.

    Args:
        network: ``alexnet`` (the authors' choice for measuring, and ArtFID's) or ``vgg16``.
        layers: Weight and bias of each convolution, ``O x I x k x k``.
        heads: One non-negative weight a channel, for each tap.
    """

    def __init__(self, network: LpipsNetwork, layers: Sequence[tuple[Tensor, Tensor]], heads: Sequence[Tensor]) -> None:
        super().__init__()
        self.plan = PLANS[network]
        for index, (weight, bias) in enumerate(layers):
            self.register_buffer(f"weight{index}", weight.detach().clone(), persistent=False)
            self.register_buffer(f"bias{index}", bias.detach().clone(), persistent=False)
        for tap, head in zip(self.plan.taps, heads, strict=True):
            self.register_buffer(f"head{tap}", head.detach().flatten().view(1, -1, 1, 1).clone(), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, network: LpipsNetwork = "alexnet", path: str | Path | None = None) -> Lpips:
        """Return it with the published weights, found and verified.

        Raises:
            InputError: If they cannot be had; the message says what to put where.
        """
        return cls.from_arrays(network, read_arrays(find(f"lpips_{network}", path)))

    @classmethod
    def from_arrays(cls, network: LpipsNetwork, arrays: Mapping[str, Tensor]) -> Lpips:
        """Return it with the arrays as published for JAX: kernels are ``k x k x I x O``."""
        plan = PLANS[network]
        layers = [
            (arrays[f"{plan.name}/Conv_{i}/kernel"].permute(3, 2, 0, 1), arrays[f"{plan.name}/Conv_{i}/bias"])
            for i in range(len(plan.convolutions))
        ]
        heads = [arrays[f"NetLinLayer_{i}/Conv_0/kernel"] for i in range(len(plan.taps))]
        return cls(network, layers, heads)

    @torch.no_grad()
    def extract_features(self, picture: Tensor) -> list[Tensor]:
        """Return the five feature maps, scaled to unit length over channels, of ``N x 3 x H x W`` RGB in [0, 1]."""
        x, found = (picture.float() - self.mean) / self.std, []
        for index, (stride, padding) in enumerate(self.plan.convolutions):
            if index in self.plan.pooled:
                x = F.max_pool2d(x, self.plan.pool, 2)
            weight, bias = getattr(self, f"weight{index}"), getattr(self, f"bias{index}")
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            if index in self.plan.taps:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    @torch.no_grad()
    def forward(self, picture: Tensor, other: Tensor) -> Tensor:
        """Return the distances of two batches of pictures.

        Args:
            picture: ``N x 3 x H x W``, RGB in [0, 1] (not [-1, 1]), H and W at least 32.
            other: The same shape.

        Returns:
            ``N`` values in float32, at least 0, about 0 to 1; lower is nearer.
        """
        return self.distance(self.extract_features(picture), self.extract_features(other))

    def distance(self, features: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
        """Return the distances of pictures whose features were extracted before: ``N`` values in float32."""
        total = torch.zeros(len(features[0]), device=features[0].device)
        for tap, a, b in zip(self.plan.taps, features, other, strict=True):
            total += ((a - b).square() * getattr(self, f"head{tap}")).sum(1).mean((1, 2))
        return total
