"""Style swap (Chen & Schmidt 2016): the content's patches of relu3_1 replaced by the style's, and an inverse network."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from adain.functional.losses import content_loss, style_loss, total_variation
from adain.functional.patches import style_swap
from adain.functional.statistics import channel_statistics
from adain.methods.base import CropSampler, TrainedMethod
from adain.methods.least_squares import fit_again
from adain.methods.optimizers import OptimizerFactory
from adain.nn.decoder import WIDTHS, Decoder
from adain.nn.encoder import STYLE_LAYERS, Encoder
from adain.nn.weights import read_state
from adain.runtime.errors import InputError
from adain.runtime.files import expanded
from adain.runtime.schema import Count, EncoderName, InverseInit, InverseWidths, MethodName, Patches, Weight

LAYER = "relu3_1"
"""Where patches are swapped and the inverse network begins."""

_MEASURED = STYLE_LAYERS[: STYLE_LAYERS.index(LAYER) + 1]  # those that are computed on the way


class StylePatches(NamedTuple):
    """A style as its features at relu3_1, ``N x 256 x h x w``: its patches overlap there."""

    features: Tensor


class StyleSwap(TrainedMethod):
    """``T(c, s) = g(swap(f(c), f(s)))`` with encoder f to relu3_1 and inverse network g.

    The inverse network minimizes ``|f(g(t)) - t|^2 + tv_weight TV(g(t))`` where t is, as published, the features of content
    pictures, of style pictures, and their swaps: it must invert activations that no picture has.

    Deviations from the authors' code: the inverse network is the mirrored encoder without batch normalization, so that
    it can start from least squares; each content is swapped with its own style of the batch, not with every one; and its
    ``TV`` is a mean of squares, not a sum.

    Args:
        encoder: ``vgg19_normalized`` or ``vgg19_torchvision``.
        encoder_weights: Its weights file; found or fetched if None.
        patch_size: Side of a patch in positions of relu3_1, four pixels each.
        stride: Between patches, at most ``patch_size``.
        widths: The inverse network's hidden channels at full and half resolution.
        init: How it starts: ``random``, ``least_squares``, or the path of a style swap checkpoint.
        start_pictures: Pictures of each kind for the least-squares start.
        start_patches: Patches for each layer of it.
        tv_weight: Of the total variation of the output.
        optimizer: See ``TrainedMethod``.

    Raises:
        InputError: If a word or number is not allowed.
    """

    method: MethodName = "style_swap"

    def __init__(
        self,
        encoder: EncoderName = "vgg19_normalized",
        encoder_weights: str | None = None,
        patch_size: Count = 3,
        stride: Count = 1,
        widths: InverseWidths = WIDTHS[:2],
        init: InverseInit = "random",
        start_pictures: Count = 80,
        start_patches: Patches = 40_000,
        tv_weight: Weight = 1e-6,
        optimizer: OptimizerFactory | None = None,
    ) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters(ignore=["optimizer"], logger=False)  # loggers get the whole configuration
        check_patches(patch_size, stride)
        self.patch_size, self.stride = patch_size, stride
        self.init, self.start_pictures, self.start_patches = init, start_pictures, start_patches
        self.encoder = Encoder.load(encoder, encoder_weights)
        self.decoder = Decoder(widths, start=LAYER)
        # style is looked at, not trained for
        self.weights = {"content": 1.0, "style": 0.0, "tv": tv_weight}

    # --- the system -------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def encode_style(self, style: Tensor) -> StylePatches:
        """Return the style's features, whose patches are the palette.

        Args:
            style: ``N x 3 x H x W``, RGB in [0, 1].
        """
        return StylePatches(self._features(style))

    @torch.inference_mode()
    def stylize(self, content: Tensor, style: Tensor | StylePatches, alpha: float = 1.0) -> Tensor:
        """Pictures with the content of one and the patches of another.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1], H and W at least ``4 patch_size``.
            style: Pictures, ``N`` or 1 of any such size, or what ``encode_style`` made of them.
            alpha: Blends the features: 0 reconstructs the content, 1 is the full swap.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1].
        """
        encoded = self.encode_style(style) if isinstance(style, Tensor) else style
        features = self._features(content)
        output: Tensor = self.decoder(torch.lerp(features, self._swap(features, encoded.features), alpha))
        return output[..., : content.shape[-2], : content.shape[-1]].clamp(0, 1)

    def _features(self, picture: Tensor) -> Tensor:
        return self.encoder.extract_features(self.encoder.padded(picture), [LAYER])[LAYER]

    def _swap(self, content: Tensor, style: Tensor) -> Tensor:
        smallest = min(*content.shape[-2:], *style.shape[-2:])
        if smallest < self.patch_size:
            raise InputError(
                f"patch_size={self.patch_size} is larger than a picture at {LAYER} ({smallest} positions of 4 pixels): give "
                "larger pictures or smaller patches"
            )
        return style_swap(content, style, self.patch_size, self.stride)

    def init_weights(self, sample_crops: CropSampler) -> None:
        """Start the inverse network as ``init`` says.

        Args:
            sample_crops: Source of training crops for the least-squares start.

        Raises:
            InputError: If ``init`` is a path that holds no inverse network of these widths.
        """
        if self.init == "random":
            return
        if self.init == "least_squares":
            fit_again(self.decoder, self.encoder, torch.cat(sample_crops(self.start_pictures)), self.start_patches)
            return
        state: dict[str, Any] = read_state(expanded(self.init))
        weights = {key.removeprefix("decoder."): value for key, value in state.get("state_dict", {}).items()}
        try:
            self.decoder.load_state_dict(weights)
        except RuntimeError:
            raise InputError(
                f"init={self.init} holds no inverse network of widths {list(self.decoder.widths)}: give random, "
                "least_squares, or a checkpoint of style_swap"
            ) from None

    # --- losses -----------------------------------------------------------------------------------------------------

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the named loss terms, unweighted, and the swapped pictures.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: The same number of pictures of the same size.

        Returns:
            ``content``: the error of the inverted activations. ``style/relu1_1`` to ``style/relu3_1``: statistics of the
            swapped pictures against the style's, for the eye. ``tv``. And the swapped pictures, not clamped.
        """
        with torch.no_grad():
            style_stats, style_features = {}, style
            for name, style_features in self.encoder.iter_features(self.encoder.padded(style), _MEASURED):
                style_stats[name] = channel_statistics(style_features)
            content_features = self._features(content)
            swapped = self._swap(content_features, style_features)
            # held-out pictures are judged by the swap alone; training inverts real activations too
            target = torch.cat([content_features, style_features, swapped]) if self.training else swapped
        output = self.decoder(target)
        pictures = output[-len(content) :]
        terms: dict[str, Tensor] = {}
        for name, features in self.encoder.iter_features(output, _MEASURED):
            output_stats = channel_statistics(features[-len(content) :].detach())
            terms[f"style/{name}"] = style_loss(output_stats, style_stats[name], "mean")
            if name == LAYER:
                terms["content"] = content_loss(features, target)
        terms["tv"] = total_variation(output)
        return terms, pictures


def check_patches(patch_size: int, stride: int) -> None:
    """Check the two numbers against each other.

    Raises:
        InputError: If positions would be left out, or there are none.
    """
    if patch_size < 1 or not 1 <= stride <= patch_size:
        raise InputError(
            f"patch_size={patch_size} and stride={stride} do not cover a picture: give a stride from 1 to patch_size"
        )
