"""Improved texture networks (Ulyanov et al. 2017): a generator with instance normalization, trained for one style."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain.data.pairs import StyleTransferDataModule
from adain.data.picture import PictureError, read_picture, to_tensor, to_unit
from adain.data.sources import FolderSource
from adain.functional.losses import content_loss, measure_style, measured_loss, total_variation
from adain.functional.statistics import Statistics
from adain.methods.base import CropSampler, TrainedMethod, check_words
from adain.methods.interface import require
from adain.methods.optimizers import OptimizerFactory
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS, Encoder
from adain.runtime.errors import InputError
from adain.runtime.files import expanded
from adain.runtime.schema import (
    Count,
    EncoderName,
    GeneratorNorm,
    MethodName,
    PictureFile,
    Side,
    StyleMeasure,
    Weight,
)

STYLE_WEIGHTS: dict[StyleMeasure, float] = {"gram": 3.0, "statistics": 5.0}
_DEPTH = 2  # halvings in the generator
_FAINT = 0.1  # of its last weights at the start; 0 would be the end of it under Muon, whose steps are shares of a layer


class LearnedStyle(NamedTuple):
    """The one style of a network: nothing needs to be kept of it."""


class Generator(nn.Module):
    """From a picture to a picture: 9x9, two halvings, residual blocks, two doublings, 3x3, all but the last normalized.

    ``begin`` adds a fixed path around the layers: the picture's light and dark, normalized, in the style's colors. The
    layers then learn what else the style changes, not how to paint the content anew.

    Args:
        width: Channels at full resolution; doubled at each halving. The published one is 32.
        blocks: Residual blocks at quarter resolution. The published number is 5.
        norm: ``instance``, or ``batch``, for the paper's figure 1.

    Source:
        The residual generator of Johnson et al. 2016 with the instance normalization and reflection padding of Ulyanov
        et al. 2016 and 2017, as in the latter's code (``models/johnson.lua``); the path
        around them is ours.
    """

    def __init__(self, width: int = 32, blocks: int = 5, norm: GeneratorNorm = "instance") -> None:
        super().__init__()
        deep = width * 2**_DEPTH
        self.layers = nn.Sequential(
            _convolution(3, width, 9, norm),
            _convolution(width, 2 * width, 3, norm, stride=2),
            _convolution(2 * width, deep, 3, norm, stride=2),
            *(Residual(deep, norm) for _ in range(blocks)),
            # nearest and a convolution in place of the transposed ones, which leave a checkerboard
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(deep, 2 * width, 3, norm),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(2 * width, width, 3, norm),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, 3, 3),
        )
        # of the path around: weights of the light in each color, and the color of middle light; not trained, since the
        # style loss alone would soon remove it, and the content's light and dark with it
        self.register_buffer("axis", torch.zeros(1, 3, 1, 1))
        self.register_buffer("middle", torch.full((1, 3, 1, 1), 0.5))

    @torch.no_grad()
    def begin(self, style: Tensor) -> None:
        """Start at the content's light and dark in the style's colors, with little from the layers.

        Light goes along the direction in which the style's pixels vary most, as far as they do.

        Args:
            style: ``1 x 3 x H x W``, RGB in [0, 1].
        """
        pixels = style[0].flatten(1)
        variances, directions = torch.linalg.eigh(torch.cov(pixels))
        axis = directions[:, -1] * variances[-1].clamp_min(0).sqrt()
        self.get_buffer("axis").copy_((axis if axis.sum() > 0 else -axis).view(1, 3, 1, 1))
        self.get_buffer("middle").copy_(pixels.mean(1).view(1, 3, 1, 1))
        for weights, factor in zip(self.layers[-1].parameters(), (_FAINT, 0), strict=True):
            weights.mul_(factor)

    def forward(self, picture: Tensor) -> Tensor:
        """``N x 3 x H x W`` of any size from 16 on, RGB around [0, 1], of a picture of that size."""
        height, width = picture.shape[-2:]
        step = 2**_DEPTH
        padded = F.pad(picture - 0.5, (0, -width % step, 0, -height % step), mode="reflect")
        output: Tensor = self.layers(padded)[..., :height, :width]
        light = F.instance_norm(picture.mean(1, keepdim=True))
        return output + self.get_buffer("middle") + self.get_buffer("axis") * light


class Residual(nn.Module):
    """Two normalized 3x3 convolutions, added to their input."""

    def __init__(self, channels: int, norm: GeneratorNorm) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(channels, channels, 3, norm), _convolution(channels, channels, 3, norm)[:-1]
        )

    def forward(self, x: Tensor) -> Tensor:
        """``N x C x h x w`` of the same."""
        added: Tensor = x + self.layers(x)
        return added


def _convolution(channels: int, out: int, size: int, norm: GeneratorNorm, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(size // 2),
        nn.Conv2d(channels, out, size, stride),
        nn.BatchNorm2d(out) if norm == "batch" else nn.InstanceNorm2d(out, affine=True),
        nn.ReLU(inplace=True),
    )


class TextureNetwork(TrainedMethod):
    """``T(c) = g(c)`` with a generator g that knows one style.

    The generator minimizes ``content_weight |f(g(c)) - f(c)|^2 + style_weight sum_l E_l(g(c), s) + tv_weight TV(g(c))`` over
    content pictures c. Only contents of the batches are used.

    Deviations from the paper: content at relu4_1 as everywhere here, not relu4_2; resize and convolution in place of
    transposed convolutions; the content's light and dark in the style's colors are added to what the layers make, and are
    the start; gradients are not normalized, so the loss weights are other ones.

    Args:
        style: The style's picture, a file.
        style_size: Its short side is resized to this, in pixels: the size of its strokes in the output. None leaves it.
        encoder: ``vgg19_normalized`` or ``vgg19_torchvision``; for the losses.
        encoder_weights: Its weights file; found or fetched if None.
        measure: Style as ``gram`` matrices, the original, or as ``statistics``, AdaIN's.
        width: The generator's channels at full resolution.
        blocks: Its residual blocks.
        norm: ``instance``, or ``batch``, which its training batch must be large enough for.
        color_start: Whether it starts at the content's light and dark in the style's colors, which it keeps as a fixed
            path around its layers. That path normalizes each picture's light, so figure 1 is drawn without it.
        content_weight, style_weight, tv_weight: Of the three terms. ``style_weight`` None takes
            ``STYLE_WEIGHTS``.
        optimizer: See ``TrainedMethod``.

    Raises:
        InputError: If a word or number is not allowed.
    """

    method: MethodName = "texture_network"

    def __init__(
        self,
        style: PictureFile,
        style_size: Side | None = 256,
        encoder: EncoderName = "vgg19_normalized",
        encoder_weights: str | None = None,
        measure: StyleMeasure = "gram",
        width: Count = 32,
        blocks: Count = 5,
        norm: GeneratorNorm = "instance",
        color_start: bool = True,
        content_weight: Weight = 1.0,
        style_weight: Weight | None = None,
        tv_weight: Weight = 0.0,
        optimizer: OptimizerFactory | None = None,
    ) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters(ignore=["optimizer"], logger=False)  # loggers get the whole configuration
        check_words(measure=(measure, StyleMeasure), norm=(norm, GeneratorNorm))
        if min(width, blocks) < 1:
            raise InputError(f"width={width} and blocks={blocks} make no generator: give at least 1 of each")
        self.style, self.style_size, self.measure, self.color_start = style, style_size, measure, color_start
        self.encoder = Encoder.load(encoder, encoder_weights)
        self.generator = Generator(width, blocks, norm)
        weight = STYLE_WEIGHTS[measure] if style_weight is None else style_weight
        self.weights = {"content": content_weight, "style": weight, "tv": tv_weight}
        for name in STYLE_LAYERS:  # in the checkpoint, so that going on with a run does not need the style's file
            channels = self.encoder.widths[name]
            # for statistics the mean, then the deviation
            shape = (1, channels, channels) if measure == "gram" else (2, channels, 1, 1)
            self.register_buffer(f"style_{name}", torch.zeros(shape))

    # --- the system -------------------------------------------------------------------------------------------------

    def encode_style(self, style: Tensor | None = None) -> LearnedStyle:
        """Return the style of its training, whatever picture is given: callers that let users give one refuse it."""
        return LearnedStyle()

    @torch.inference_mode()
    def stylize(self, content: Tensor, style: Tensor | LearnedStyle | None = None, alpha: float = 1.0) -> Tensor:
        """Pictures in the style of the training.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: Not looked at.
            alpha: 1: the network has no other strength.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1].
        """
        if alpha != 1:
            require(self.method, "alpha")
        output: Tensor = self.generator(content)
        return output.clamp(0, 1)

    def configure_data(self, datamodule: StyleTransferDataModule) -> None:
        """Show the held-out contents beside the one style that is learned, not beside others."""
        datamodule.style = FolderSource(self.style)

    def init_weights(self, sample_crops: CropSampler) -> None:
        """Measure the style, and give the generator its colors.

        Raises:
            InputError: If its file is not a picture.
        """
        path = expanded(self.style)
        try:
            picture = to_unit(to_tensor(read_picture(path, self.style_size, min_side=16)))[None].to(self.device)
        except PictureError as error:
            raise InputError(f"style={path} cannot be used ({error}): give a picture") from None
        if self.color_start:
            self.generator.begin(picture)
        with torch.no_grad():
            for name, features in self.encoder.extract_features(picture).items():
                stats = measure_style(features, self.measure)
                self.get_buffer(f"style_{name}").copy_(torch.cat(stats) if isinstance(stats, Statistics) else stats)

    # --- losses -----------------------------------------------------------------------------------------------------

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the named loss terms, unweighted, and the output pictures.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: Not looked at.

        Returns:
            ``content``, ``style/relu1_1`` to ``style/relu4_1``, and ``tv`` if weighted; and the output, not clamped.
        """
        with torch.no_grad():
            content_features = self.encoder(content)
        output = self.generator(content)
        terms: dict[str, Tensor] = {}
        for name, features in self.encoder.iter_features(output, STYLE_LAYERS):
            kept = self.get_buffer(f"style_{name}")
            target = kept if self.measure == "gram" else Statistics(kept[:1], kept[1:])
            terms[f"style/{name}"] = measured_loss(measure_style(features, self.measure), target)
            if name == BOTTLENECK:
                terms["content"] = content_loss(features, content_features)
        if self.weights["tv"]:
            terms["tv"] = total_variation(output)
        return terms, output
