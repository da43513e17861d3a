"""The decoder: the encoder's mirror, from relu4_1 (or relu3_1) features to a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from adain.kernels.layers import doubled_conv2d, padded_conv2d
from adain.nn.encoder import BOTTLENECK, CONVOLUTIONS
from adain.nn.weights import find, read_state
from adain.runtime.errors import UserError
from adain.runtime.schema import EncoderName, Norm, current_name

WIDTHS = (64, 128, 256)
"""Hidden channels at full, half and quarter resolution: the encoder's."""

_CHANNELS = {"relu3_1": 256, "relu4_1": 512}  # of the layers a decoder may begin at
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


def layers(start: str = BOTTLENECK) -> list[Layer]:
    """The decoder's plan, derived from the encoder's: deepest first.

    Args:
        start: The encoder's layer whose features are decoded.
    """
    plan = []
    for index in range(CONVOLUTIONS.index(start.removeprefix("relu")), 0, -1):
        own, below = CONVOLUTIONS[index], CONVOLUTIONS[index - 1]
        pooled = own[0] != below[0]
        plan.append(Layer(f"conv{own}", f"pool{below[0]}" if pooled else f"relu{below}", pooled))
    plan.append(Layer("conv1_1", "picture", False))
    return plan


class Decoder(nn.Module):
    """3x3 convolutions with reflection padding and ReLU, nearest x2 up-samplings: the encoder backwards.

    The paper's has nine convolutions from relu4_1 and no normalization. There is no activation after the last
    convolution: the picture is RGB around [0, 1] and is clamped by whoever shows it, so that gradients do not vanish at
    black and white.

    Args:
        widths: Hidden channels at full, half and quarter resolution; from relu3_1 there is no quarter.
        start: The encoder's layer that is decoded: ``relu4_1``, or style swap's ``relu3_1``.
        copies: How many maps of that layer come in, one behind the other: 2 for content and style side by side.
        norm: Normalization before every hidden ReLU: the paper's ablations.

    Attributes:
        fused: Whether each up-sampling is computed together with the convolution after it
            (``functional.doubled_conv2d``): the same numbers up to rounding. None: on a CPU, where it was measured.

    Source:
        Huang & Belongie 2017, section 6.1 and the authors' code; the ablations in section 7.1.
    """

    fused: bool | None = None

    def __init__(
        self, widths: Sequence[int] = WIDTHS, start: str = BOTTLENECK, copies: int = 1, norm: Norm = "none"
    ) -> None:
        super().__init__()
        self.plan = layers(start)
        depth = sum(layer.upsample for layer in self.plan)
        if len(widths) != depth or min(widths) < 1:
            raise UserError(
                f"decoder widths are {list(widths)}, but must be {('two', 'three')[depth - 2]} positive numbers: "
                f"{list(WIDTHS[:depth])} is the paper's"
            )
        self.widths, self.start, self.copies, self.norm = tuple(widths), start, copies, norm
        channels = copies * _CHANNELS[start]
        for layer in self.plan:
            out = 3 if layer.target == "picture" else widths[_block(layer.target) - 1]
            setattr(self, layer.name, nn.Conv2d(channels, out, 3))
            if norm != "none" and layer.target != "picture":
                kind = nn.BatchNorm2d if norm == "batch" else nn.InstanceNorm2d
                setattr(self, layer.name.replace("conv", "norm"), kind(out, affine=True))
            channels = out

    @property
    def plain(self) -> bool:
        """Whether this is the paper's decoder, of any width, and none of its ablations or another system's."""
        return self.start == BOTTLENECK and self.copies == 1 and self.norm == "none"

    def convolution(self, layer: Layer) -> nn.Conv2d:
        """The module of one layer of ``plan``."""
        module = getattr(self, layer.name)
        assert isinstance(module, nn.Conv2d)
        return module

    def normalization(self, layer: Layer) -> nn.Module | None:
        """What normalizes one layer's output, if anything does."""
        module: nn.Module | None = getattr(self, layer.name.replace("conv", "norm"), None)
        return module

    def apply_layer(self, layer: Layer, x: Tensor) -> Tensor:
        """One step of the plan: pad, convolve, rectify, and double in size where it says so."""
        x = self._convolved(layer, x)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if layer.upsample else x

    def _convolved(self, layer: Layer, x: Tensor, doubled: bool = False) -> Tensor:
        """A layer without its up-sampling; ``doubled`` says that the one before it still has to be made up for."""
        convolution, normalize = self.convolution(layer), self.normalization(layer)
        convolve = doubled_conv2d if doubled else padded_conv2d
        rectify = layer.target != "picture" and normalize is None
        x = convolve(x, convolution.weight, convolution.bias, rectify=rectify)
        return x if normalize is None else F.relu_(normalize(x))  # the picture's layer has no normalization

    def forward(self, features: Tensor) -> Tensor:
        """Pictures from features.

        Args:
            features: ``N x 512 x h x w`` from relu4_1, h and w at least 2; twice as many channels for two copies.

        Returns:
            ``N x 3 x 8h x 8w``: up to 7 pixels larger than the picture that was encoded. From relu3_1, 4h x 4w.
        """
        fused, doubled = features.device.type == "cpu" if self.fused is None else self.fused, False
        for layer in self.plan:
            if fused:
                features, doubled = self._convolved(layer, features, doubled), layer.upsample
            else:
                features = self.apply_layer(layer, features)
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


SHIPPED = Path(__file__).parent / "decoder.safetensors"
"""A decoder that comes with the package, where it has one."""


def load_decoder(source: str | Path) -> Trained:
    """A trained decoder from any file that holds one.

    Args:
        source: ``"shipped"`` for the decoder that comes with the package; ``"reference"`` for the published one of the
            PyTorch port; ``"best"`` for the first of these that there is; or the path of a run's folder (its best
            checkpoint, else its last), of a checkpoint, of a decoder's state dict (``.pth``, ``.safetensors``), or of a
            published ``decoder.pth``.

    Raises:
        UserError: If there is no such file, or no such decoder in it, or an ablation's: ``methods.load`` takes those.
    """
    path = _file_of(source)
    state: Mapping[str, Any] = read_state(path)
    encoder: EncoderName = "vgg19_normalized"
    if path.suffix == ".safetensors":
        encoder = _noted_encoder(path) or encoder
    if "state_dict" in state:
        tensors = state["state_dict"] if isinstance(state["state_dict"], Mapping) else {}
        hparams = state.get("hyper_parameters") or {}
        encoder = current_name(hparams.get("encoder", encoder))
        prefix, method = "decoder.", state.get("method", "another system")
        if method == "adain":
            _refuse_ablation(path, hparams)
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if "conv4_1.weight" not in state:
            raise UserError(f"{path} is a checkpoint of {method} and has no AdaIN decoder: give one of model=adain")
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


def best_at_hand() -> str:
    """``shipped`` where the package has a decoder, else ``reference``."""
    return "shipped" if SHIPPED.is_file() else "reference"


def _file_of(source: str | Path) -> Path:
    source = best_at_hand() if source == "best" else source
    if source == "reference":
        return find("reference_decoder")
    if source == "shipped":
        if not SHIPPED.is_file():
            raise UserError("this installation ships no decoder: give decoder=reference, or a file")
        return SHIPPED
    path = Path(source).expanduser()
    if path.name == str(source) and not path.suffix and not path.exists():
        raise UserError(
            f"{source!r} is no decoder: give 'best', 'shipped', 'reference', a run's folder (as logs/latest) or a file"
        )
    return checkpoint_of(path) if path.is_dir() else path


def checkpoint_of(run: Path) -> Path:
    """A run's best checkpoint, or its last if it had no validation.

    Raises:
        UserError: If the folder has neither.
    """
    for name in ("best.ckpt", "last.ckpt"):
        if (path := run.resolve() / "checkpoints" / name).is_file():
            return path
    raise UserError(f"{run} is a folder without checkpoints/best.ckpt or last.ckpt: give a run's folder, or a file")


def _noted_encoder(path: Path) -> EncoderName | None:
    """The encoder that an exported file names in its metadata."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        name: EncoderName | None = current_name((file.metadata() or {}).get("encoder"))
    if name is not None and name not in get_args(EncoderName):
        raise UserError(f"{path} belongs to the encoder {name!r}, which is unknown: it may be of a newer version")
    return name


def _refuse_ablation(path: Path, hparams: Mapping[str, Any]) -> None:
    changed = {"transfer": "adain", "norm": "none"}
    found = [f"{key}={hparams[key]}" for key, plain in changed.items() if hparams.get(key, plain) != plain]
    if found:
        raise UserError(
            f"{path} is of an ablation ({', '.join(found)}), but the plain decoder is needed here: give one trained with "
            "model=adain alone; adain.methods.load takes ablations"
        )
