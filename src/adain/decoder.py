"""The decoder: the encoder's mirror, from relu4_1 features to a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from adain.choices import EncoderName
from adain.encoder import CONVOLUTIONS
from adain.errors import UserError
from adain.functional import doubled_conv2d
from adain.weights import find, read_state

WIDTHS = (64, 128, 256)
"""Hidden channels at full, half and quarter resolution: the encoder's."""

_INPUT = 512  # relu4_1
_REFERENCE_KEYS = (1, 5, 8, 11, 14, 18, 21, 25, 28)  # positions in the nn.Sequential of published decoder files


class Layer(NamedTuple):
    """One convolution of the decoder.

    Attributes:
        name: The encoder's convolution that it mirrors, ``conv4_1`` to ``conv1_1``.
        target: The encoder's layer that its output mirrors: the input of the mirrored convolution.
        upsample: Whether the output is doubled in size before the next convolution.
    """

    name: str
    target: str
    upsample: bool


def layers() -> list[Layer]:
    """The decoder's plan, derived from the encoder's: deepest first."""
    plan = []
    for index in range(len(CONVOLUTIONS) - 1, 0, -1):
        own, below = CONVOLUTIONS[index], CONVOLUTIONS[index - 1]
        pooled = own[0] != below[0]
        plan.append(Layer(f"conv{own}", f"pool{below[0]}" if pooled else f"relu{below}", pooled))
    plan.append(Layer("conv1_1", "picture", False))
    return plan


class Decoder(nn.Module):
    """Nine 3x3 convolutions with reflection padding and ReLU, three nearest x2 up-samplings, no normalisation.

    There is no activation after the last convolution: the picture is RGB around [0, 1] and is clamped by whoever
    shows it, so that gradients do not vanish at black and white.

    Args:
        widths: Hidden channels at full, half and quarter resolution. Input is always relu4_1's 512.

    Attributes:
        fused: Whether each up-sampling is computed together with the convolution after it
            (``functional.doubled_conv2d``): the same numbers up to rounding. None: on a CPU, where it was measured.

    Source:
        Huang & Belongie 2017, section 6.1 and the authors' code.
    """

    fused: bool | None = None

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if len(widths) != 3 or min(widths) < 1:
            raise UserError(
                f"decoder widths are {list(widths)}, but must be three positive numbers: {list(WIDTHS)} is the paper's"
            )
        self.widths = tuple(widths)
        self.plan = layers()
        channels = _INPUT
        for layer in self.plan:
            out = 3 if layer.target == "picture" else widths[_block(layer.target) - 1]
            setattr(self, layer.name, nn.Conv2d(channels, out, 3))
            channels = out

    def convolution(self, layer: Layer) -> nn.Conv2d:
        """The module of one layer of ``plan``."""
        module = getattr(self, layer.name)
        assert isinstance(module, nn.Conv2d)
        return module

    def apply_layer(self, layer: Layer, x: Tensor) -> Tensor:
        """One step of ``forward``: pad, convolve, rectify, and double in size where the plan says so."""
        x = self.convolution(layer)(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        if layer.target == "picture":
            return x
        x = F.relu_(x)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if layer.upsample else x

    def forward(self, features: Tensor) -> Tensor:
        """Pictures from features.

        Args:
            features: ``N x 512 x h x w``, h and w at least 2.

        Returns:
            ``N x 3 x 8h x 8w``: up to 7 pixels larger than the picture that was encoded.
        """
        fused, doubled = features.device.type == "cpu" if self.fused is None else self.fused, False
        for layer in self.plan:
            if not fused:
                features = self.apply_layer(layer, features)
                continue
            convolution = self.convolution(layer)
            if doubled:
                features = doubled_conv2d(features, convolution.weight, convolution.bias)
            else:
                features = convolution(F.pad(features, (1, 1, 1, 1), mode="reflect"))
            if layer.target != "picture":
                features = F.relu_(features)
            doubled = layer.upsample
        return features


def _block(target: str) -> int:
    return int(target.removeprefix("relu").removeprefix("pool")[0])


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published decoder's state dict (``1.weight`` .. ``28.bias``) under this module's names.

    Raises:
        UserError: If it is another network's.
    """
    renamed = {}
    for key, layer in zip(_REFERENCE_KEYS, layers(), strict=True):
        for part in ("weight", "bias"):
            if f"{key}.{part}" not in state:
                raise UserError(
                    f"the decoder file lacks {key}.{part}: give a file saved by this project, or a decoder.pth of the "
                    "PyTorch ports (an nn.Sequential with reflection padding)"
                )
            renamed[f"{layer.name}.{part}"] = state[f"{key}.{part}"]
    return renamed


class Trained(NamedTuple):
    """A decoder and the name of the encoder whose features it was trained on."""

    decoder: Decoder
    encoder: EncoderName


def load_decoder(source: str | Path) -> Trained:
    """A trained decoder from any file that holds one.

    Args:
        source: ``"reference"`` for the published decoder of the PyTorch port, or the path of a run's checkpoint, of a
            decoder's state dict (``.pth``, ``.safetensors``), or of a published ``decoder.pth``.

    Raises:
        UserError: If there is no such file, or no such decoder in it.
    """
    path = find("reference_decoder") if source == "reference" else Path(source).expanduser()
    state: Mapping[str, Any] = read_state(path)
    encoder: EncoderName = "vgg19_normalised"
    if "state_dict" in state:
        tensors = state["state_dict"] if isinstance(state["state_dict"], Mapping) else {}
        encoder = (state.get("hyper_parameters") or {}).get("encoder", encoder)
        prefix, method = "decoder.", state.get("method", "another system")
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if "conv4_1.weight" not in state:
            raise UserError(f"{path} is a checkpoint of {method} and has no AdaIN decoder: give one of method=adain")
    elif "conv4_1.weight" not in state:
        try:
            state = from_reference(state)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    try:
        decoder = Decoder([state[f"conv{name}.weight"].shape[0] for name in ("2_1", "3_1", "4_1")])
        decoder.load_state_dict(state)
    except (RuntimeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} holds no AdaIN decoder ({reason}): give a file saved by this project") from None
    return Trained(decoder, encoder)
