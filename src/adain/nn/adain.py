"""The two tensor functions of a trained decoder as modules: picture to statistics, and picture and statistics to picture.

They are what is exported and what runs over whole data sets: batches of one size, without files, masks or tiles.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adain.functional.statistics import Statistics, adain, channel_statistics
from adain.nn.decoder import Decoder
from adain.nn.encoder import Encoder


class StyleEncoder(nn.Module):
    """Pictures to the statistics of their features at relu4_1."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, picture: Tensor) -> Statistics:
        """Mean and standard deviation.

        Args:
            picture: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 16.

        Returns:
            Two tensors of ``N x 512 x 1 x 1``.
        """
        return channel_statistics(self.encoder(self.encoder.padded(picture)))


class Transfer(nn.Module):
    """Pictures and styles' statistics to stylized pictures."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, picture: Tensor, mean: Tensor, std: Tensor, alpha: Tensor) -> Tensor:
        """``g((1 - alpha) f(c) + alpha AdaIN(f(c), s))``, clamped, of the content's size.

        Args:
            picture: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 16.
            mean: ``N x 512 x 1 x 1``, as ``StyleEncoder`` gives it.
            std: The same.
            alpha: A single number from 0, the reconstructed content, to 1, the full style.

        Returns:
            ``N x 3 x H x W``, RGB in [0, 1].

        Source:
            Huang & Belongie 2017, equations 8 and 14.
        """
        height, width = picture.shape[2:]
        features = self.encoder(self.encoder.padded(picture))
        output: Tensor = self.decoder(torch.lerp(features, adain(features, Statistics(mean, std)), alpha))
        return output[:, :, :height, :width].clamp(0, 1)
