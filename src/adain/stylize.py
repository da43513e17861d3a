"""The Python face of a trained decoder."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from adain.data.picture import to_picture, to_tensor, to_unit
from adain.decoder import Trained, load_decoder
from adain.encoder import Encoder
from adain.errors import UserError
from adain.functional import Statistics, adain, channel_statistics

_SMALLEST = 16  # pixels: three poolings must leave something to pad


class Stylizer:
    """Turns pictures into pictures with the style of others.

    Args:
        trained: A decoder and its encoder's name.
        encoder_weights: The encoder's weights file; found or fetched if None.
        device: Where to work; a GPU if there is one by default.
    """

    def __init__(
        self, trained: Trained, encoder_weights: str | None = None, device: str | torch.device | None = None
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.decoder = trained.decoder.to(self.device).eval()
        self.encoder = Encoder.load(trained.encoder, encoder_weights).to(self.device)

    @classmethod
    def load(cls, decoder: str | Path = "reference", device: str | torch.device | None = None) -> Stylizer:
        """From a file, or the published ``"reference"`` decoder: see ``decoder.load_decoder``."""
        return cls(load_decoder(decoder), device=device)

    @torch.inference_mode()
    def encode_style(self, style: Image.Image) -> Statistics:
        """A style's statistics, to be used for any number of contents.

        Raises:
            UserError: If the picture is smaller than 16 pixels.
        """
        return channel_statistics(self.encoder(self._tensor(style, "style")))

    @torch.inference_mode()
    def stylize(self, content: Image.Image, style: Image.Image | Statistics, alpha: float = 1.0) -> Image.Image:
        """One picture in one style.

        Args:
            content: An RGB picture.
            style: An RGB picture, or what ``encode_style`` made of it.
            alpha: From 0, the reconstructed content, to 1, the full style.

        Returns:
            An RGB picture of the content's size.

        Raises:
            UserError: If a picture is smaller than 16 pixels, or alpha is out of its range.
        """
        if not 0 <= alpha <= 1:
            raise UserError(f"alpha={alpha} is out of range: give 0 (the content) to 1 (the full style)")
        picture = self._tensor(content, "content")
        statistics = style if isinstance(style, Statistics) else self.encode_style(style)
        features = self.encoder(picture)
        output = self.decoder(torch.lerp(features, adain(features, statistics), alpha))
        return to_picture(output[0, :, : content.height, : content.width])

    def _tensor(self, picture: Image.Image, what: str) -> Tensor:
        if min(picture.size) < _SMALLEST:
            raise UserError(
                f"the {what} picture is {picture.width} x {picture.height}: "
                f"give one of at least {_SMALLEST} x {_SMALLEST}"
            )
        return to_unit(to_tensor(picture.convert("RGB"))).unsqueeze(0).to(self.device)
