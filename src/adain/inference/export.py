"""A trained decoder as files for other programs: safetensors, and ONNX graphs held to PyTorch before they are kept."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from adain.functional.statistics import Statistics
from adain.nn.adain import StyleTransfer
from adain.nn.decoder import Trained
from adain.nn.encoder import Encoder
from adain.runtime.errors import UserError
from adain.runtime.files import replacing

OPSET = 20
"""ONNX operator set. onnxruntime has had it since 1.17 (2024); nothing newer is needed by either graph."""

IR_VERSION = 9
"""Version of the graphs' file format: the newest that onnxruntime 1.17 reads. The exporter writes a newer one."""

TOLERANCE = 1e-3
"""The largest absolute difference allowed between a graph and PyTorch, of pictures in [0, 1] and of statistics alike."""

_SHAPES = ((1, 16, 16), (2, 17, 31), (1, 64, 40), (3, 47, 65), (1, 129, 127))
_MODULES = {
    "vgg19_normalized": "the normalized VGG-19 of Gatys et al.",
    "vgg19_torchvision": "torchvision's VGG-19",
}


class StyleGraph(nn.Module):
    """A style's statistics, as a graph gives them: two tensors of ``N x 512 x 1 x 1``."""

    def __init__(self, network: StyleTransfer) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Statistics:
        """See ``StyleTransfer.encode_style``; H and W at least 16."""
        return self.network.encode_style(picture)


class TransferGraph(nn.Module):
    """The forward pass with a style's statistics as two tensors: graphs take no lists."""

    def __init__(self, network: StyleTransfer) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, mean: Tensor, std: Tensor, alpha: Tensor) -> Tensor:
        """See ``StyleTransfer.forward``; H and W at least 16, alpha a single number."""
        stylized: Tensor = self.network(picture, [Statistics(mean, std)], alpha)
        return stylized


class Difference(NamedTuple):
    """How far a graph is from PyTorch.

    Attributes:
        graph: ``style_encoder`` or ``transfer``.
        shape: Batch, height and width of the picture.
        largest: The largest absolute difference of any value.
    """

    graph: str
    shape: tuple[int, int, int]
    largest: float


def export_decoder(trained: Trained, source: str, out: Path, onnx: bool) -> list[Difference]:
    """Write ``decoder.safetensors``, ``MODEL_CARD.md`` and, with ``onnx``, two graphs and the script that runs them.

    Args:
        trained: The decoder and its encoder's name.
        source: Where the decoder comes from, for the card.
        out: The folder. It exists; files of the same names are replaced.
        onnx: Whether the graphs are wanted, which takes about a minute.

    Returns:
        How far the graphs are from PyTorch; none without ``onnx``.

    Raises:
        UserError: As ``write_onnx``, or if a file cannot be written.
    """
    differences = write_onnx(Encoder.load(trained.encoder), trained, out) if onnx else []
    write_safetensors(trained, out / "decoder.safetensors", source)
    with written(out / "MODEL_CARD.md") as part:
        part.write_text(card(trained, source, differences), encoding="utf-8")
    if differences:
        with written(out / "run_onnx.py") as part:
            shutil.copyfile(Path(__file__).with_name("run_onnx.py"), part)
    return differences


def write_safetensors(trained: Trained, path: Path, source: str) -> None:
    """Write the decoder's weights, with what ``load_decoder`` and a reader must know as metadata."""
    from safetensors.torch import save

    metadata = {
        "format": "pt",
        "encoder": trained.encoder,
        "widths": json.dumps(list(trained.decoder.widths)),
        "source": source,
        "license": license(source),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.decoder.state_dict().items()}
    with written(path) as part:
        part.write_bytes(save(state, metadata))


def write_onnx(encoder: Encoder, trained: Trained, folder: Path) -> list[Difference]:
    """Write ``style_encoder.onnx`` and ``transfer.onnx``, with dynamic batch, height and width, the encoder's weights inside.

    Args:
        encoder: The encoder that the decoder belongs to, on the CPU.
        trained: The decoder.
        folder: Where to write. It exists.

    Returns:
        The differences found. All are within ``TOLERANCE``.

    Raises:
        UserError: If a graph differs from PyTorch. Nothing is then left under the final names.
    """
    picture, mean, std = torch.rand(2, 3, 45, 51), torch.rand(2, 512, 1, 1), torch.rand(2, 512, 1, 1)
    batch = torch.export.Dim("batch")
    height, width = (torch.export.Dim(name, min=16) for name in ("height", "width"))
    pixels, channels = {0: batch, 2: height, 3: width}, {0: batch}
    with contextlib.ExitStack() as stack:  # both are renamed once both are right
        style_part = stack.enter_context(written(folder / "style_encoder.onnx"))
        transfer_part = stack.enter_context(written(folder / "transfer.onnx"))
        network = StyleTransfer(encoder, trained.decoder)
        style_encoder = StyleGraph(network).eval()
        _write_graph(style_encoder, style_part, {"picture": picture}, ["mean", "std"], {"picture": pixels})
        transfer = TransferGraph(network).eval()
        inputs = {"picture": picture, "mean": mean, "std": std, "alpha": torch.tensor(1.0)}
        shapes = {"picture": pixels, "mean": channels, "std": channels, "alpha": None}
        _write_graph(transfer, transfer_part, inputs, ["stylized"], shapes)
        found = compare(style_encoder, transfer, style_part, transfer_part)
        beyond = [one for one in found if not one.largest <= TOLERANCE]  # also what is not a number
        if beyond:
            raise UserError(
                f"{beyond[0].graph}.onnx differs from PyTorch by {beyond[0].largest:.2g} at {_shown(beyond[0].shape)}, over "
                f"{TOLERANCE:g}: nothing was written; try other versions of torch, onnxscript and onnxruntime"
            )
    return found


def compare(style_encoder: nn.Module, transfer: nn.Module, style_path: Path, transfer_path: Path) -> list[Difference]:
    """Run both graphs in onnxruntime beside PyTorch, at even and odd sizes and several batches and alphas.

    The styles are pictures with a range of colors; the transfer is fed the statistics PyTorch computed.
    """
    import onnxruntime

    sessions = [
        onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        for path in (style_path, transfer_path)
    ]
    random, found = torch.Generator().manual_seed(1), []
    for number, shape in enumerate(_SHAPES):
        picture, style = (_test_picture(shape, random) for _ in range(2))
        alpha = torch.tensor(1 - number / (2 * len(_SHAPES)))
        with torch.inference_mode():
            statistics = style_encoder(style)
            expected = transfer(picture, *statistics, alpha)
        got = sessions[0].run(None, {"picture": style.numpy()})
        found.append(Difference("style_encoder", shape, _difference(statistics, got)))
        feed = {"picture": picture, "mean": statistics[0], "std": statistics[1], "alpha": alpha}
        got = sessions[1].run(None, {name: tensor.numpy() for name, tensor in feed.items()})
        found.append(Difference("transfer", shape, _difference([expected], got)))
    return found


_OWN = "photographs and paintings of docs/model_card.md, mostly under non-commercial research terms"
_ORIGINS = {
    "reference": ("MIT (naoto0804/pytorch-AdaIN)", "MS-COCO and WikiArt, as its authors state"),
    "shipped": ("MIT (naoto0804/pytorch-AdaIN, trained on by this project)", f"MS-COCO and WikiArt, then {_OWN}"),
}
"""License and training pictures of the decoders that come without a training."""


def license(source: str) -> str:
    """Return what may be done with a decoder, as far as this project can say."""
    return _ORIGINS[source][0] if source in _ORIGINS else "that of its training pictures and its author"


def card(trained: Trained, source: str, differences: Sequence[Difference]) -> str:
    """Return a short model card in Markdown."""
    rows = "\n".join(f"| {d.graph} | {_shown(d.shape)} | {d.largest:.1e} |" for d in differences)
    parity = (
        "\n## Held to PyTorch\n| graph | batch x height x width | largest absolute difference |\n|---|---|---|\n"
        f"{rows}\n"
    )
    data = _ORIGINS[source][1] if source in _ORIGINS else "see the run that trained it"
    graphs = """
* `style_encoder.onnx`: `picture` N x 3 x H x W, RGB in [0, 1], to `mean` and `std`, N x 512 x 1 x 1.
* `transfer.onnx`: `picture`, `mean`, `std` and `alpha` (a single number, 0 to 1) to `stylized`, N x 3 x H x W in [0, 1].
  One style per picture of the batch; H and W at least 16, any others than the style's.
* `run_onnx.py`: `python run_onnx.py content.jpg style.jpg out.png`, with numpy, onnxruntime 1.17 or newer, and pillow."""
    return f"""# AdaIN decoder

Arbitrary style transfer (Huang & Belongie, ICCV 2017): a content picture in the style of any other.

* decoder: `{source}`, hidden widths {list(trained.decoder.widths)}; license: {license(source)}
* encoder: {_MODULES[trained.encoder]} up to relu4_1 (`{trained.encoder}`); VGG-19 is Simonyan & Zisserman's, CC BY 4.0
* training pictures: {data}

## Files
* `decoder.safetensors`: the decoder's weights; `make stylize decoder=decoder.safetensors` takes it.{graphs if rows else ""}
{parity if rows else ""}
## Limits
Pictures are taken as sRGB. Style statistics are global: a picture takes the colors and the texture of the style as a
whole, not object by object. A stylized copyrighted picture stays a copy of it: mind the rights of both inputs.
"""


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it becomes ``path`` if the block ends without an error.

    Raises:
        UserError: If the file cannot be written.
    """
    try:
        with replacing(path) as part:
            yield part
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give another folder") from None


def _shown(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))


def _write_graph(
    module: nn.Module,
    path: Path,
    inputs: dict[str, Tensor],
    outputs: list[str],
    shapes: dict[str, dict[int, torch.export.Dim] | None],
) -> None:
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.model.ir_version = IR_VERSION
        program.save(path, external_data=False)


def _test_picture(shape: tuple[int, int, int], random: torch.Generator) -> Tensor:
    """Return smooth colors with some noise on them: flat noise alone would be far from any picture."""
    batch, height, width = shape
    coarse = torch.rand(batch, 3, 5, 5, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return (smooth + 0.1 * torch.randn(batch, 3, height, width, generator=random)).clamp(0, 1)


def _difference(expected: Sequence[Tensor], got: Sequence[np.ndarray]) -> float:
    for one, other in zip(expected, got, strict=True):
        if tuple(one.shape) != other.shape:
            return float("inf")
    # NumPy's maximum, which keeps what is not a number
    return float(np.max([np.abs(one.numpy() - other).max() for one, other in zip(expected, got, strict=True)]))
