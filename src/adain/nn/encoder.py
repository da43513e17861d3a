"""The frozen VGG-19 encoder up to relu4_1, with layer names as in the literature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain.functional.statistics import EPS, Statistics
from adain.kernels.chain import Link, Output, convolve_chain
from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError
from adain.runtime.schema import EncoderName, current_name

CONVOLUTIONS = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1")
"""The nine 3x3 convolutions. There is a 2x2 max-pooling between blocks."""

LAYERS = (
    "relu1_1", "relu1_2", "pool1", "relu2_1", "relu2_2", "pool2",
    "relu3_1", "relu3_2", "relu3_3", "relu3_4", "pool3", "relu4_1",
)  # fmt: skip
"""All layers in network order."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""The layers of the style loss (Huang & Belongie 2017, section 5)."""

BOTTLENECK = "relu4_1"
"""The layer where AdaIN acts and the decoder starts."""

_NORMALIZED_KEYS = (2, 5, 9, 12, 16, 19, 22, 25, 29)  # positions in the nn.Sequential that was saved
_TORCHVISION_KEYS = (0, 2, 5, 7, 10, 12, 14, 16, 19)  # positions in torchvision's vgg19().features
_NCHW = torch.contiguous_format
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """VGG-19 up to relu4_1, frozen, including its pre-processing.

    Input is RGB in [0, 1], ``N x 3 x H x W`` with H and W at least 9. Weights are non-persistent buffers: they move
    with the module, but are not parameters (no gradient, optimizer state or all-reduce) and not in checkpoints.

    Args:
        layers: Weight and bias of each convolution, in the order of ``CONVOLUTIONS``, with the scale of the
            pre-processing already folded into the first.
        shift: Subtracted from the picture, one value per color.
        padding: ``"reflect"`` or ``"constant"`` (zeros), before every convolution.
        ceil_mode: Whether pooling keeps an odd last row and column.
    """

    def __init__(
        self, layers: Sequence[tuple[Tensor, Tensor]], shift: Sequence[float], padding: str, ceil_mode: bool
    ) -> None:
        super().__init__()
        self.padding, self.ceil_mode = padding, ceil_mode
        self.shift: Tensor
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)
        for name, (weight, bias) in zip(CONVOLUTIONS, layers, strict=True):
            # folding leaves channels-last strides, and every feature map would follow that layout
            self.register_buffer(f"weight{name}", weight.detach().clone(memory_format=_NCHW), persistent=False)
            self.register_buffer(f"bias{name}", bias.detach().clone(), persistent=False)
        self.widths = {f"relu{name}": weight.shape[0] for name, (weight, _) in zip(CONVOLUTIONS, layers, strict=True)}

    @classmethod
    def load(cls, name: EncoderName, path: str | Path | None = None) -> Encoder:
        """Load a named encoder with verified weights.

        Args:
            name: ``vgg19_normalized`` (Gatys et al.: BGR, mean activation one, reflection padding, ceil-mode pooling)
                or ``vgg19_torchvision`` (ImageNet mean and standard deviation, zero padding).
            path: A weights file to use instead of the cache and downloads.

        Raises:
            InputError: If the name is unknown, or the weights cannot be downloaded or are not the named ones.
        """
        name = current_name(name)
        if name not in get_args(EncoderName):
            raise InputError(f"encoder {name!r} is unknown: choose one of {', '.join(get_args(EncoderName))}")
        return cls.from_state(name, read_state(find(name, path)))

    @classmethod
    def from_state(cls, name: EncoderName, state: Mapping[str, Tensor]) -> Encoder:
        """Build the encoder from a published state dict. See ``load``.

        The affine pre-processing of ``vgg19_normalized`` is a 1x1 convolution. It commutes with reflection padding, so
        it can be folded into conv1_1 exactly. ``vgg19_torchvision`` pads with zeros after its pre-processing, so the
        mean is subtracted separately and only the scale is folded.
        """
        normalized = name == "vgg19_normalized"
        prefix, keys = ("", _NORMALIZED_KEYS) if normalized else ("features.", _TORCHVISION_KEYS)
        layers = [(state[f"{prefix}{k}.weight"].float(), state[f"{prefix}{k}.bias"].float()) for k in keys]
        weight, bias = layers[0]
        if normalized:
            color, offset = state["0.weight"].float().flatten(1), state["0.bias"].float()
            bias = bias + torch.einsum("oihw,i->o", weight, offset)
            layers[0] = (torch.einsum("oihw,ij->ojhw", weight, color), bias)
            return cls(layers, (0.0, 0.0, 0.0), "reflect", ceil_mode=True)
        layers[0] = (weight / torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), bias)
        return cls(layers, _IMAGENET_MEAN, "constant", ceil_mode=False)

    def padded(self, picture: Tensor) -> Tensor:
        """Return the picture, padded by replication to multiples of 8 if pooling would drop its last rows and columns.

        Every pixel then has a feature, and the decoder's output covers the picture. Ceil-mode pooling needs no padding.
        """
        if self.ceil_mode:
            return picture
        height, width = picture.shape[-2:]
        return F.pad(picture, (0, -width % 8, 0, -height % 8), mode="replicate")

    def forward(self, picture: Tensor) -> Tensor:
        """Return features at relu4_1, ``N x 512 x H/8 x W/8``, rounded up with ceil-mode pooling, else down."""
        return self.extract_features(picture, [BOTTLENECK])[BOTTLENECK]

    def extract_features(self, picture: Tensor, names: Sequence[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Return features at the named layers (``relu1_1`` to ``relu4_1``, ``pool1`` to ``pool3``), in network order."""
        return dict(self.iter_features(picture, names))

    def iter_features(self, picture: Tensor, names: Sequence[str] = LAYERS) -> Iterator[tuple[str, Tensor]]:
        """Yield names and features in network order, up to the last layer that is named; by default all of them."""
        for relu, output in self._run(picture, names, ()):
            if relu in names:
                assert output.features is not None
                yield relu, output.features
            if (pool := _pool_after(relu)) in names:
                assert output.resized is not None
                yield pool, output.resized

    def extract_statistics(self, picture: Tensor) -> tuple[Tensor, dict[str, Statistics]]:
        """Return the features at relu4_1 and the channel statistics at the style layers. No other map is kept."""
        features, statistics = picture, {}
        for relu, output in self._run(picture, [BOTTLENECK], STYLE_LAYERS):
            if output.moments is not None:
                statistics[relu] = Statistics(*output.moments)
            if output.features is not None:
                features = output.features
        return features, statistics

    def _run(self, picture: Tensor, names: Sequence[str], measured: Sequence[str]) -> Iterator[tuple[str, Output]]:
        """Run the convolutions up to the last named layer; of those ``measured``, compute statistics as well."""
        relus = [f"relu{name}" for name in CONVOLUTIONS]
        last = max((index for index, relu in enumerate(relus) if {relu, _pool_after(relu)} & {*names}), default=-1)
        links = [
            Link(
                getattr(self, f"weight{name}"),
                getattr(self, f"bias{name}"),
                resize="pool" if _pool_after(relu) in (names if index == last else LAYERS) else "keep",
                features=relu in names,
                eps=EPS if relu in measured else None,
            )
            for index, (name, relu) in enumerate(zip(CONVOLUTIONS, relus, strict=True))
            if index <= last
        ]
        x = picture - self.shift if self.padding == "constant" else picture
        return zip(relus, convolve_chain(x, links, self.padding, self.ceil_mode), strict=False)


def _pool_after(relu: str) -> str:
    """Return the name of the pooling after a layer, or an empty one."""
    return {"relu1_2": "pool1", "relu2_2": "pool2", "relu3_4": "pool3"}.get(relu, "")
