"""The decoder: the encoder's mirror, from relu4_1 (or relu3_1) features to a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from torch import Tensor, nn

from adain.kernels.chain import Link, convolve_chain
from adain.nn.encoder import BOTTLENECK, CONVOLUTIONS
from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError
from adain.runtime.files import expanded
from adain.runtime.run_folder import checkpoint_of
from adain.runtime.schema import EncoderName, Norm, current_name

WIDTHS = (64, 128, 256)
"""Hidden channels at full, half and quarter resolution: the encoder's."""

_CHANNELS = {"relu3_1": 256, "relu4_1": 512}  # of the layers that a decoder can start from
_REFERENCE_KEYS = (1, 5, 8, 11, 14, 18, 21, 25, 28)  # positions in the nn.Sequential of published decoder files


class Layer(NamedTuple):
    """One convolution of the decoder.

    Attributes:
        name: The encoder convolution that it mirrors, ``conv4_1`` to ``conv1_1``.
        target: The encoder layer that its output mirrors: the input of the mirrored convolution.
        upsample: Whether the output is up-sampled x2 before the next convolution.
    """

    name: str
    target: str
    upsample: bool


def layers(start: str = BOTTLENECK) -> list[Layer]:
    """Return the decoder's layers, derived from the encoder's, deepest first.

    Args:
        start: The encoder layer whose features are decoded.
    """
    plan = []
    for index in range(CONVOLUTIONS.index(start.removeprefix("relu")), 0, -1):
        mirrored, below = CONVOLUTIONS[index], CONVOLUTIONS[index - 1]
        pooled = mirrored[0] != below[0]
        plan.append(Layer(f"conv{mirrored}", f"pool{below[0]}" if pooled else f"relu{below}", pooled))
    plan.append(Layer("conv1_1", "picture", False))
    return plan


class Decoder(nn.Module):
    """The encoder mirrored: 3x3 convolutions with reflection padding and ReLU, and nearest x2 up-sampling.

    The paper's decoder has nine convolutions from relu4_1 and no normalization. There is no activation after the last
    convolution, so outputs are only near [0, 1] and gradients do not vanish at black and white; clamp them for display.

    Args:
        widths: Hidden channels at full, half and quarter resolution; from relu3_1 there is no quarter resolution.
        start: The encoder layer to decode: ``relu4_1``, or style swap's ``relu3_1``.
        copies: Number of feature maps of that layer in the input, concatenated by channel: 2 for content and style.
        norm: Normalization before every hidden ReLU, for the paper's ablations.

    Attributes:
        fused: Whether to compute each up-sampling together with the next convolution (``kernels.layers.doubled_conv2d``):
            equal up to rounding. None does so on a CPU, where it is faster, and uses ``kernels.between`` on a GPU.

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
            raise InputError(
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
        """Whether this is the paper's decoder, of any width, not an ablation's or another system's."""
        return self.start == BOTTLENECK and self.copies == 1 and self.norm == "none"

    def convolution(self, layer: Layer) -> nn.Conv2d:
        """Return the convolution of one layer of ``plan``."""
        module = getattr(self, layer.name)
        assert isinstance(module, nn.Conv2d)
        return module

    def normalization(self, layer: Layer) -> nn.Module | None:
        """Return the normalization of one layer of ``plan``, or None."""
        module: nn.Module | None = getattr(self, layer.name.replace("conv", "norm"), None)
        return module

    def apply_layer(self, layer: Layer, x: Tensor) -> Tensor:
        """Run one layer of the plan: pad, convolve, apply ReLU, and up-sample if the layer does."""
        return self._run([layer], x)

    def forward(self, features: Tensor) -> Tensor:
        """Return pictures, decoded from features.

        Args:
            features: ``N x 512 x h x w`` from relu4_1, h and w at least 2; twice as many channels for two copies.

        Returns:
            ``N x 3 x 8h x 8w``, not clamped: up to 7 pixels larger than the encoded picture. From relu3_1, 4h x 4w.
        """
        return self._run(self.plan, features)

    def _run(self, plan: Sequence[Layer], x: Tensor) -> Tensor:
        links = [
            Link(
                self.convolution(layer).weight,
                self.convolution(layer).bias,
                rectify=layer.target != "picture",
                normalize=self.normalization(layer),
                resize="double" if layer.upsample else "keep",
            )
            for layer in plan
        ]
        for output in convolve_chain(x, links, folded=self.fused):
            x = x if output.resized is None else output.resized
        return x


def _block(target: str) -> int:
    return int(target.removeprefix("relu").removeprefix("pool")[0])


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a published decoder's state dict (``1.weight`` .. ``28.bias``) with this module's names.

    Raises:
        InputError: If it belongs to another network.
    """
    renamed = {}
    for key, layer in zip(_REFERENCE_KEYS, layers(), strict=True):
        for part in ("weight", "bias"):
            if f"{key}.{part}" not in state:
                raise InputError(
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
"""The decoder that ships with the package."""


def load_decoder(source: str | Path) -> Trained:
    """Load a trained decoder from any file that holds one.

    Args:
        source: ``"best"`` or ``"shipped"`` for the decoder in the package; ``"reference"`` for the published one of the
            PyTorch port; or a path: a run's folder (its best checkpoint, else its last), a checkpoint, a decoder's state
            dict (``.pth``, ``.safetensors``) or a published ``decoder.pth``.

    Raises:
        InputError: If the file is missing, has no AdaIN decoder, or an ablation's (use ``methods.load`` for those).
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
            raise InputError(f"{path} is a checkpoint of {method} and has no AdaIN decoder: give one of adain")
    elif "conv4_1.weight" not in state:
        try:
            state = from_reference(state)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    try:
        decoder = Decoder([state[f"conv{name}.weight"].shape[0] for name in ("2_1", "3_1", "4_1")])
        decoder.load_state_dict(state)
    except (RuntimeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{path} holds no AdaIN decoder ({reason}): give a file saved by this project") from None
    return Trained(decoder, encoder)


def _file_of(source: str | Path) -> Path:
    if source == "reference":
        return find("reference_decoder")
    if source in ("best", "shipped"):
        return SHIPPED
    path = expanded(source)
    if path.name == str(source) and not path.suffix and not path.exists():
        raise InputError(
            f"{source!r} is not a decoder: give 'best', 'shipped', 'reference', a run's folder (as logs/latest) or a file"
        )
    if path.is_dir():
        if (checkpoint := checkpoint_of(path.resolve())) is None:
            raise InputError(
                f"{path} is a folder without checkpoints/best.ckpt or last.ckpt: give a run's folder, or a file"
            )
        return checkpoint
    return path


def _noted_encoder(path: Path) -> EncoderName | None:
    """Return the encoder named in an exported file's metadata, or None."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        name: EncoderName | None = current_name((file.metadata() or {}).get("encoder"))
    if name is not None and name not in get_args(EncoderName):
        raise InputError(f"{path} belongs to the unknown encoder {name!r}: it may come from a newer version")
    return name


def _refuse_ablation(path: Path, hparams: Mapping[str, Any]) -> None:
    defaults = {"transfer": "adain", "norm": "none"}
    changed = [f"{key}={hparams[key]}" for key, plain in defaults.items() if hparams.get(key, plain) != plain]
    if changed:
        raise InputError(
            f"{path} is a checkpoint of an ablation ({', '.join(changed)}), but the paper's decoder is needed here: give "
            "another checkpoint; adain.methods.load takes ablations"
        )
