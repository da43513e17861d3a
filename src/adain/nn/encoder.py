"""The frozen VGG-19, up to relu4_1, with its layers named as in the literature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain.kernels.layers import max_pool, padded_conv2d
from adain.nn.weights import find, read_state
from adain.runtime.errors import UserError
from adain.runtime.schema import EncoderName, current_name

CONVOLUTIONS = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1")
"""The nine 3x3 convolutions. A 2x2 max-pool stands between two blocks."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Where style is measured (Huang & Belongie 2017, section 5)."""

BOTTLENECK = "relu4_1"
"""Where AdaIN acts and the decoder begins."""

_NORMALIZED_KEYS = (2, 5, 9, 12, 16, 19, 22, 25, 29)  # positions in the nn.Sequential that was saved
_TORCHVISION_KEYS = (0, 2, 5, 7, 10, 12, 14, 16, 19)  # positions in torchvision's vgg19().features
_NCHW = torch.contiguous_format
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """VGG-19 up to relu4_1, frozen, with its own pre-processing inside.

    Input is RGB in [0, 1], ``N x 3 x H x W`` with H and W at least 9. Weights are non-persistent buffers: they move
    with the module, and are no parameters (no gradient, optimizer state or all-reduce) and in no checkpoint.

    Args:
        layers: Weight and bias of each convolution, in the order of ``CONVOLUTIONS``, the pre-processing's scale
            already folded into the first.
        shift: Subtracted from the picture, one value a color.
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
            # a folded weight's strides look like channels_last, and every feature map would follow them
            self.register_buffer(f"weight{name}", weight.detach().clone(memory_format=_NCHW), persistent=False)
            self.register_buffer(f"bias{name}", bias.detach().clone(), persistent=False)
        self.widths = {f"relu{name}": weight.shape[0] for name, (weight, _) in zip(CONVOLUTIONS, layers, strict=True)}

    @classmethod
    def load(cls, name: EncoderName, path: str | Path | None = None) -> Encoder:
        """A named encoder, its weights found and verified.

        Args:
            name: ``vgg19_normalized`` (Gatys et al.: BGR, mean activation one, reflection padding, ceil-mode pooling)
                or ``vgg19_torchvision`` (ImageNet mean and deviation, zero padding).
            path: A weights file, in place of the cache and the downloads.

        Raises:
            UserError: If the name is unknown, or the weights cannot be had or are not the named ones.
        """
        name = current_name(name)
        if name not in get_args(EncoderName):
            raise UserError(f"encoder {name!r} is unknown: choose one of {', '.join(get_args(EncoderName))}")
        return cls.from_state(name, read_state(find(name, path)))

    @classmethod
    def from_state(cls, name: EncoderName, state: Mapping[str, Tensor]) -> Encoder:
        """The encoder of a state dict as published. See ``load``.

        The affine pre-processing of ``vgg19_normalized`` is a leading 1x1 convolution. A 1x1 convolution commutes with
        reflection padding, so it is folded into conv1_1 exactly. ``vgg19_torchvision`` pads with zeros after its
        pre-processing, so the mean is subtracted first and only the scale is folded.
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
        """The picture with its last row and column repeated to a multiple of 8, where pooling would drop them.

        So every pixel has a feature, and a decoder's output covers the picture. With ceil-mode pooling nothing is added.
        """
        if self.ceil_mode:
            return picture
        height, width = picture.shape[-2:]
        return F.pad(picture, (0, -width % 8, 0, -height % 8), mode="replicate")

    def forward(self, picture: Tensor) -> Tensor:
        """Features at relu4_1, ``N x 512 x H/8 x W/8``, rounded up with ceil-mode pooling, else down."""
        return self.extract_features(picture, [BOTTLENECK])[BOTTLENECK]

    def extract_features(self, picture: Tensor, names: Sequence[str] = STYLE_LAYERS) -> dict[str, Tensor]:
        """Features at the named layers (``relu1_1`` to ``relu4_1``, ``pool1`` to ``pool3``), in the network's order."""
        return {name: features for name, features in self.iter_features(picture) if name in names}

    def iter_features(self, picture: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every layer's name and features, in order: what to keep is the caller's choice."""
        x = picture - self.shift if self.padding == "constant" else picture
        for name in CONVOLUTIONS:
            if name.endswith("_1") and name != "1_1":
                x = max_pool(x, self.ceil_mode)
                yield f"pool{int(name[0]) - 1}", x
            weight, bias = getattr(self, f"weight{name}"), getattr(self, f"bias{name}")
            x = padded_conv2d(x, weight, bias, self.padding, rectify=True)
            yield f"relu{name}", x
