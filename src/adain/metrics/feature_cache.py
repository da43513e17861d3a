"""What the metrics see of pictures: their pixels, checked, and VGG-19's features of them, taken once for all metrics."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adain.functional.losses import gram
from adain.functional.statistics import Statistics, channel_statistics
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError
from adain.runtime.precision import arithmetic
from adain.runtime.schema import Concrete

STRUCTURE_LAYER = "relu3_1"
"""Where CFSD compares patches (Chung et al. 2024)."""
_ENCODER = "encoder"


def check_pictures(**pictures: Tensor) -> None:
    """Hold pictures, by the names that the message shall use, against the one convention.

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


class Features(NamedTuple):
    """What is kept of one VGG-19 pass over N pictures.

    Attributes:
        statistics: At relu1_1, relu2_1, relu3_1 and relu4_1.
        grams: At the same layers, ``N x C x C``.
        structure: Features at relu3_1, ``N x 256 x H/4 x W/4``.
        deepest: Features at relu4_1, ``N x 512 x H/8 x W/8``.
        positions: How many the statistics are of, by layer.
    """

    statistics: dict[str, Statistics]
    grams: dict[str, Tensor]
    structure: Tensor
    deepest: Tensor
    positions: dict[str, int]


@torch.no_grad()
def observe(encoder: Encoder, picture: Tensor) -> Features:
    """Return what one pass of the encoder gives of pictures, each feature map dropped as soon as it was used.

    Args:
        encoder: VGG-19.
        picture: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.
    """
    statistics, grams, positions = {}, {}, {}
    structure = deepest = picture
    for name, features in encoder.iter_features(picture, (*STYLE_LAYERS, STRUCTURE_LAYER)):
        if name in STYLE_LAYERS:
            statistics[name], grams[name] = channel_statistics(features), gram(features)
            positions[name] = features[0, 0].numel()
        if name == STRUCTURE_LAYER:
            structure = features
        if name == BOTTLENECK:
            deepest = features
    return Features(statistics, grams, structure, deepest, positions)


class FeatureCache:
    """What networks see in pictures, kept for the last few, so that the metrics of an evaluation share one pass of each.

    Pictures are recognized by identity: the same tensor object, not changed in between. A batch that was joined from
    pictures (see ``join``) takes their features, so that a content that returns in every style is seen once.

    Args:
        encoder: VGG-19, the network of ``cache(picture)``.
        keep: How many batches are remembered: an output, its content, its style, and the style in the content's size.
        keep_pictures: How many pictures that batches are joined from: about 25 MB each at 512 px.
        precision: Of the encoder's arithmetic.

    Attributes:
        networks: What else can be seen with, by name: functions of ``N x 3 x H x W`` for ``of``.
    """

    def __init__(
        self, encoder: Encoder, keep: int = 4, keep_pictures: int = 24, precision: Concrete = "32-true"
    ) -> None:
        self.encoder, self.keep, self.keep_pictures = encoder, keep, keep_pictures
        self.networks: dict[str, Callable[[Tensor], Any]] = {}
        self._precision = precision
        self.networks[_ENCODER] = self._observe
        self._batches: OrderedDict[int, _Seen] = OrderedDict()
        self._pictures: OrderedDict[int, _Seen] = OrderedDict()

    def __call__(self, picture: Tensor) -> Features:
        """Return VGG-19's features, computed or remembered."""
        features: Features = self.of(_ENCODER, picture)
        return features

    def _observe(self, picture: Tensor) -> Features:
        with arithmetic(picture.device, self._precision):
            return observe(self.encoder, picture)

    def of(self, network: str, picture: Tensor) -> Any:
        """Return what a network of ``networks`` sees; see ``_stack`` for what that may be."""
        seen = self._pictures.get(id(picture)) or self._batches.get(id(picture))
        if seen is None:
            seen = _keep(self._batches, picture, (), self.keep)
        if network not in seen.features:
            seen.features[network] = (
                _stack([self.of(network, part) for part in seen.parts])
                if seen.parts
                else self.networks[network](picture)
            )
        return seen.features[network]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the batch of pictures of one size, whose features will be those of its parts."""
        for part in parts:
            _keep(self._pictures, part, (), self.keep_pictures)
        if len(parts) == 1:
            return parts[0]
        batch = torch.cat(list(parts))
        _keep(self._batches, batch, tuple(parts), self.keep)
        return batch


@dataclass
class _Seen:
    """A tensor that is held, so that its id cannot be another's, and what is known of it."""

    picture: Tensor
    parts: tuple[Tensor, ...]
    features: dict[str, Any] = field(default_factory=dict)


def _keep(held: OrderedDict[int, _Seen], picture: Tensor, parts: tuple[Tensor, ...], count: int) -> _Seen:
    seen = held.setdefault(id(picture), _Seen(picture, parts))
    held.move_to_end(id(picture))
    while len(held) > count:
        held.popitem(last=False)
    return seen


def _stack(parts: Sequence[Any]) -> Any:
    """Return what is seen of several batches of pictures of one size as that of one batch.

    Args:
        parts: Tensors, whose first dimension is the batch; or lists, named tuples or dictionaries of such. Whatever else
            is in them is the same in all parts.
    """
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, dict):
        return {name: _stack([part[name] for part in parts]) for name in first}
    if not isinstance(first, list | tuple):
        return first
    joined = [_stack(same) for same in zip(*parts, strict=True)]
    return type(first)(*joined) if hasattr(first, "_fields") else joined
