"""The one forward pass of AdaIN: ``T(c, s) = g((1 - alpha) f(c) + alpha AdaIN(f(c), f(s)))``.

Training, whole pictures and tiles, batches, videos, exported graphs and the web page all run this module.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from adain.functional.statistics import Statistics, channel_statistics, target
from adain.nn.decoder import Decoder
from adain.nn.encoder import Encoder


class StyleTransfer(nn.Module):
    """An encoder f and a decoder g around AdaIN.

    ``forward`` is the whole of it. Its steps can be called by themselves, for what must happen between them: tiles gather
    the statistics of all parts first, videos smooth them over time.

    Args:
        encoder: Pictures to features at relu4_1.
        decoder: Such features to pictures.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the features of pictures.

        Args:
            pictures: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.

        Returns:
            ``N x 512 x ceil(H/8) x ceil(W/8)``.
        """
        features: Tensor = self.encoder(self.encoder.padded(pictures))
        return features

    def encode_style(self, pictures: Tensor) -> Statistics:
        """Return all that AdaIN keeps of styles: the channel statistics of their features. ``pictures``: see ``encode``."""
        return channel_statistics(self.encode(pictures))

    def decode(self, features: Tensor, size: Sequence[int]) -> Tensor:
        """Return the pictures of features.

        Args:
            features: ``N x 512 x h x w``.
            size: Height and width of the pictures that were encoded; the encoder rounds them up to a multiple of 8, and
                the excess is cut off.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1].
        """
        height, width = size
        pictures: Tensor = self.decoder(features)
        return pictures[..., :height, :width].clamp(0, 1)

    def render(
        self,
        features: Tensor,
        size: Sequence[int],
        styles: Sequence[Statistics],
        alpha: float | Tensor = 1.0,
        weights: Sequence[float] | None = None,
        shares: Tensor | None = None,
        content_stats: Sequence[Statistics] | None = None,
    ) -> Tensor:
        """Return pictures of features in other styles: AdaIN, mixed with the features by alpha, decoded.

        Args:
            features: What ``encode`` made of the contents.
            size: Height and width of the contents.
            styles: One or several, each of ``N`` or 1 samples.
            alpha: See ``functional.target``.
            weights: The same.
            shares: The same.
            content_stats: The same: of the whole picture where ``features`` are a tile's, or smoothed over frames.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1].
        """
        return self.decode(target(features, styles, weights, shares, alpha, content_stats), size)

    def forward(
        self,
        content: Tensor,
        styles: Sequence[Statistics],
        alpha: float | Tensor = 1.0,
        weights: Sequence[float] | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """Return the contents in one style, a mix, or each style in its region.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.
            styles: One or several, as ``encode_style`` gives them, each of ``N`` or 1 samples.
            alpha: 0 reconstructs the content, 1 is the full style; beyond 1 exaggerates.
            weights: One a style, for mixing; equal if None.
            shares: ``N`` or ``1 x K x ceil(H/8) x ceil(W/8)``, what ``functional.regions`` makes of K masks.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1].

        Source:
            Huang & Belongie 2017, equations 8 and 14, sections 7.2 and 7.3.
        """
        return self.render(self.encode(content), content.shape[-2:], styles, alpha, weights, shares)
