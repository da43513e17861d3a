"""AdaIN (Huang & Belongie 2017) as a LightningModule: frozen encoder, AdaIN, trained decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import content_loss, identity_loss, style_loss, total_variation
from adain.functional.statistics import Statistics, adain
from adain.methods.base import CropSampler, TrainedMethod, check_words
from adain.methods.interface import CAPABILITIES, Capabilities, require
from adain.methods.least_squares import fit_again
from adain.methods.optimizers import OptimizerFactory
from adain.nn.adain import StyleTransfer
from adain.nn.decoder import WIDTHS, Decoder, load_decoder
from adain.nn.encoder import BOTTLENECK, Encoder
from adain.runtime.errors import InputError
from adain.runtime.schema import (
    Count,
    DecoderInit,
    DecoderWidths,
    EncoderName,
    MethodName,
    Norm,
    Patches,
    StyleReduction,
    Transfer,
    Weight,
)


class StyleFeatures(NamedTuple):
    """A style as its features at relu4_1, ``N x 512 x h x w``: what the concatenating ablation needs."""

    features: Tensor


class AdaINMethod(TrainedMethod):
    """``T(c, s) = g((1 - alpha) f(c) + alpha AdaIN(f(c), f(s)))`` with encoder f and decoder g.

    The decoder minimizes ``content_weight L_c + style_weight L_s`` and the optional terms. So do the ablations: the AdaIN
    output stays the target of their content loss, which makes their losses comparable. All arguments are plain
    values, so a checkpoint loads under torch's ``weights_only``. It holds the decoder, not the encoder.

    Args:
        encoder: ``vgg19_normalized`` or ``vgg19_torchvision``.
        encoder_weights: Its weights file; found or fetched if None.
        transfer: ``adain``, or ``concat``, an ablation: the decoder is given both features side by side.
        norm: Normalization in the decoder, ``none`` or one of the ablations ``batch`` and ``instance``.
        widths: The decoder's hidden channels at full, half and quarter resolution.
        init: How the decoder starts: ``random``, ``least_squares``, ``shipped``, ``reference``, or a checkpoint's path.
        start_pictures: Pictures of each kind for the least-squares start.
        start_patches: Patches for each layer of it.
        content_weight, style_weight: The paper's 1 and lambda.
        style_reduction: ``mean`` or ``sum`` over channels; see ``losses.style_loss``.
        tv_weight: Weight of the total variation of the output.
        identity_weight: Weight of the pixel error of reconstructing the content from its own features.
        optimizer: See ``TrainedMethod``.

    Raises:
        InputError: If a word or number is not allowed.
    """

    method: MethodName = "adain"
    network: StyleTransfer

    def __init__(
        self,
        encoder: EncoderName = "vgg19_normalized",
        encoder_weights: str | None = None,
        transfer: Transfer = "adain",
        norm: Norm = "none",
        widths: DecoderWidths = WIDTHS,
        init: DecoderInit = "random",
        start_pictures: Count = 80,
        start_patches: Patches = 40_000,
        content_weight: Weight = 1.0,
        style_weight: Weight = 10.0,
        style_reduction: StyleReduction = "mean",
        tv_weight: Weight = 0.0,
        identity_weight: Weight = 0.0,
        optimizer: OptimizerFactory | None = None,
    ) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters(ignore=["optimizer"], logger=False)  # loggers get the whole configuration
        check_words(transfer=(transfer, Transfer), norm=(norm, Norm), style_reduction=(style_reduction, StyleReduction))
        self.concat, self.style_reduction = transfer == "concat", style_reduction
        self.encoder_name, self.init = encoder, init
        self.start_pictures, self.start_patches = start_pictures, start_patches
        self.encoder = Encoder.load(encoder, encoder_weights)
        self.decoder = Decoder(widths, copies=2 if self.concat else 1, norm=norm)
        object.__setattr__(self, "network", StyleTransfer(self.encoder, self.decoder))  # no submodule: saved once
        self.weights = {
            "content": content_weight,
            "style": style_weight,
            "tv": tv_weight,
            "identity": identity_weight,
        }

    # --- the system -------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """Return what this network can do: concatenation has no statistics to blend or mix."""
        return Capabilities(trained=True, any_style=True) if self.concat else CAPABILITIES["adain"]

    @property
    def ablation(self) -> bool:
        """Return whether the decoder is not the paper's."""
        return not self.decoder.plain

    @torch.inference_mode()
    def encode_style(self, style: Tensor) -> Statistics | StyleFeatures:
        """Return all that is kept of a style: its statistics at relu4_1, or for ``concat`` its features.

        Args:
            style: ``N x 3 x H x W``, RGB in [0, 1].
        """
        if self.concat:
            return StyleFeatures(self.network.encode(style))
        return self.network.encode_style(style)

    @torch.inference_mode()
    def stylize(self, content: Tensor, style: Tensor | Statistics | StyleFeatures, alpha: float = 1.0) -> Tensor:
        """Return pictures with the content of one and the style of another.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.
            style: Pictures, ``N`` or 1 of any size, or what ``encode_style`` made of them.
            alpha: 0 reconstructs the content, 1 is the full style. ``concat`` has 1 alone.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1]: always the content's size.
        """
        if alpha != 1:
            require("adain", "alpha", self.capabilities)
        encoded = self.encode_style(style) if isinstance(style, Tensor) else style
        if isinstance(encoded, Statistics):
            return self.network(content, [encoded], alpha)  # type: ignore[no-any-return]
        features = side_by_side(self.network.encode(content), encoded.features)
        return self.network.decode(features, content.shape[-2:])

    def init_weights(self, sample_crops: CropSampler) -> None:
        """Start the decoder as ``init`` says.

        Args:
            sample_crops: Source of training crops for the least-squares start.

        Raises:
            InputError: If ``init`` is a path that holds no decoder of these widths and this encoder.
        """
        if self.init == "random":
            return
        if self.init == "least_squares":
            fit_again(self.decoder, self.encoder, torch.cat(sample_crops(self.start_pictures)), self.start_patches)
            return
        if not self.decoder.plain:
            raise InputError(
                f"init={self.init} is for the plain decoder, but this one is an ablation: give random or least_squares"
            )
        start, encoder = load_decoder(self.init)
        for word, given, configured in (
            ("widths", list(start.widths), list(self.decoder.widths)),
            ("encoder", encoder, self.encoder_name),
        ):
            if given != configured:
                raise InputError(f"init={self.init} has {word} {given}, but {word} is {configured}: give both the same")
        self.decoder.load_state_dict(start.state_dict())

    def incomparable(self, encoder: EncoderName) -> str | None:
        """Return why an AdaIN decoder for this encoder cannot be measured by these losses; None if it can."""
        if self.concat:
            return super().incomparable(encoder)
        return None if encoder == self.encoder_name else f"it belongs to encoder={encoder}"

    # --- losses -----------------------------------------------------------------------------------------------------

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the named loss terms, unweighted, and the output pictures.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: The same number of pictures of the same size.

        Returns:
            ``content``, ``style/relu1_1`` to ``style/relu4_1``, ``tv`` and ``identity`` if weighted; and the decoder's
            output, ``N x 3 x H' x W'``, not clamped.
        """
        with torch.no_grad():  # nothing before the decoder is trained
            content_features, style_stats, style_features = self._encode(content, style)
            target = adain(content_features, style_stats[BOTTLENECK])
            decoded = side_by_side(content_features, style_features) if self.concat else target
        output = self.decoder(decoded)
        output_features, output_stats = self.encoder.extract_statistics(output)
        terms = {"content": content_loss(output_features, target)}
        for name, stats in style_stats.items():
            terms[f"style/{name}"] = style_loss(output_stats[name], stats, self.style_reduction)
        if self.weights["tv"]:
            terms["tv"] = total_variation(output)
        if self.weights["identity"]:
            height, width = content.shape[-2:]
            reconstructed = self.decoder(torch.cat([content_features] * self.decoder.copies, 1))
            terms["identity"] = identity_loss(reconstructed[..., :height, :width], content)
        return terms, output

    def _encode(self, content: Tensor, style: Tensor) -> tuple[Tensor, dict[str, Statistics], Tensor]:
        """Return the content's features, the style's statistics and its deepest features; no other map is kept.

        A GPU takes both in one call. A CPU's caches hold the feature maps of one better than of two.
        """
        content, style = self.encoder.padded(content), self.encoder.padded(style)
        if not content.is_cuda:
            features, stats = self.encoder.extract_statistics(style)
            return self.encoder(content), stats, features
        features, both = self.encoder.extract_statistics(torch.cat([content, style]))
        stats = {name: Statistics(*(part[len(content) :] for part in parts)) for name, parts in both.items()}
        return features[: len(content)], stats, features[len(content) :]


def side_by_side(content: Tensor, style: Tensor) -> Tensor:
    """Features of content and style one behind the other, the style's resized to the content's places.

    Args:
        content: ``N x C x h x w``.
        style: ``N`` or 1 ``x C x h' x w'``.

    Returns:
        ``N x 2C x h x w``.
    """
    if style.shape[-2:] != content.shape[-2:]:
        style = F.interpolate(style, content.shape[-2:], mode="bilinear", antialias=True)
    return torch.cat([content, style.expand_as(content)], 1)
