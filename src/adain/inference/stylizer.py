"""The Python face of a trained decoder: pictures in the style of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack, cast, overload

import torch
from torch import Tensor

from adain.data.image_io import Picture, to_mask, to_pixels, unit
from adain.functional.color import Colors, colors, coral, keep_chroma
from adain.functional.statistics import Statistics, content_statistics, regions
from adain.inference.request import check_request
from adain.inference.stroke import resized, with_detail, working_size
from adain.inference.tiling import CELL, HALO, Box, Moments, boxes, cells_of_masks, whole
from adain.nn.adain import StyleTransfer
from adain.nn.decoder import Trained, load_decoder
from adain.nn.encoder import Encoder
from adain.runtime.device import find_device
from adain.runtime.errors import InputError
from adain.runtime.memory import available_memory, give_back_freed_memory
from adain.runtime.precision import arithmetic, inference_precision, memory_format
from adain.runtime.progress import Bar
from adain.runtime.schema import Arithmetic, PreserveColor

P = TypeVar("P", bound=Picture)
Style = Picture | Statistics
"""A style's picture, or what ``Stylizer.encode_style`` made of it."""

Tile = int | Literal["auto"] | None
"""Pixels of a tile's side; ``"auto"``: tiles where the whole would not fit into memory; None: always the whole."""

Smooth = Callable[[list[Statistics]], list[Statistics]]
"""Statistics of one content or several, one a region, to those that are used in their place."""


class Options(TypedDict, total=False):
    """Keyword arguments of ``Stylizer.stylize``."""

    styles: Sequence[Style] | None
    weights: Sequence[float] | None
    masks: Sequence[Picture] | None
    preserve_color: PreserveColor
    extrapolate: bool
    tile: Tile
    smooth: Smooth | None
    stroke: float | None


_BYTES_PER_PIXEL = 1200  # at the peak, in conv1_2 and its mirror: two feature maps of 64 channels and a padded copy
_WHOLE_BYTES = 2_400_000_000  # a CPU gains nothing from larger pieces
_TILE_BYTES = 1_000_000_000
_STORE_BYTES = 600_000_000  # features of tiles are kept up to here, and made twice beyond


class Stylizer:
    """Turns pictures into pictures with the style of others.

    ``Stylizer.load().stylize(content, style, alpha=0.8)`` is the whole of it. Around ``network`` it adds what pictures
    need: files' kinds and modes, the device, reduced precision, tiles, masks and colors.

    Args:
        trained: A decoder and its encoder's name.
        encoder_weights: The encoder's weights file; found or fetched if None.
        device: Where to work; a GPU if there is one by default.
        precision: ``"32-true"``, or ``"bf16-mixed"``: the networks' convolutions in bfloat16, twice as fast where the
            processor has such instructions and slower where not. Its pictures are about a gray level from those of float32.
            ``"auto"``: bfloat16 on a GPU that is faster with it, else float32.

    Attributes:
        encoder, decoder: The networks, in evaluation mode on ``device``.
        network: The forward pass that both make.
        device: Where they are.
        precision: ``32-true`` or ``bf16-mixed``.
        show_progress: Whether pictures that are made in tiles show a bar; they do not by default.

    Raises:
        InputError: If there is no such device or precision.
    """

    show_progress = False

    def __init__(
        self,
        trained: Trained,
        encoder_weights: str | None = None,
        device: str | torch.device | None = None,
        precision: Arithmetic = "auto",
    ) -> None:
        self.device = find_device(device)
        self.precision = inference_precision(self.device, precision)
        layout = memory_format(self.device, self.precision)
        self.decoder = trained.decoder.to(self.device).to(memory_format=layout).eval()
        self.encoder = Encoder.load(trained.encoder, encoder_weights).to(self.device).to(memory_format=layout)
        self.network = StyleTransfer(self.encoder, self.decoder)

    @classmethod
    def load(
        cls,
        decoder: str | Path = "best",
        device: str | torch.device | None = None,
        precision: Arithmetic = "auto",
    ) -> Stylizer:
        """Load ``"best"``, ``"shipped"``, ``"reference"``, a run's folder or a file: see ``decoder.load_decoder``."""
        return cls(load_decoder(decoder), device=device, precision=precision)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return features at relu4_1.

        Args:
            pictures: ``N x 3 x H x W``, RGB in [0, 1], on any device.

        Returns:
            ``N x 512 x ceil(H/8) x ceil(W/8)``, float32, on ``device``.
        """
        with arithmetic(self.device, self.precision):
            return self.network.encode(pictures.to(self.device)).float()

    @overload
    def encode_style(  # type: ignore[overload-overlap]  # a NamedTuple is a tuple
        self, style: Style, recolor: Colors | None = None
    ) -> Statistics: ...
    @overload
    def encode_style(self, style: Sequence[Style], recolor: Colors | None = None) -> list[Statistics]: ...
    @torch.no_grad()
    def encode_style(
        self, style: Style | Sequence[Style], recolor: Colors | None = None
    ) -> Statistics | list[Statistics]:
        """Return a style's statistics, to be used for any number of contents; a list of them for a list of styles.

        Args:
            style: A picture of any size from 16 x 16, a batch of N pictures, or a list of such. Pictures that are too
                large for memory are taken in tiles. Statistics are given back as they are.
            recolor: The style is given these colors first: what ``color.colors`` says of the content.

        Raises:
            InputError: If it is not a picture, smaller than 16 x 16, or has values outside [0, 1]; or is to be recolored but
                encoded already.
        """
        if isinstance(style, Statistics):
            if recolor is not None:
                raise InputError(
                    "preserve_color=coral changes the style picture, which encoded styles have no more: give the pictures"
                )
            return Statistics(*(part.to(self.device) for part in style))
        if isinstance(style, list | tuple):
            return [self.encode_style(one, recolor) for one in style]
        return self._statistics_of(to_pixels(cast(Picture, style), "style")[0], recolor)

    # --- pictures ---------------------------------------------------------------------------------------------------

    @overload
    def stylize(self, content: P, style: Style | None = None, alpha: float = 1.0, **options: Unpack[Options]) -> P: ...
    @overload
    def stylize(
        self, content: Sequence[P], style: Style | None = None, alpha: float = 1.0, **options: Unpack[Options]
    ) -> list[P]: ...
    @torch.no_grad()
    def stylize(
        self,
        content: P | Sequence[P],
        style: Style | None = None,
        alpha: float = 1.0,
        *,
        styles: Sequence[Style] | None = None,
        weights: Sequence[float] | None = None,
        masks: Sequence[Picture] | None = None,
        preserve_color: PreserveColor = "none",
        extrapolate: bool = False,
        tile: Tile = "auto",
        smooth: Smooth | None = None,
        stroke: float | None = None,
    ) -> P | list[P]:
        """Return a picture, or several, in one style or several.

        Args:
            content: A Pillow picture of any mode; an array ``H x W x 3`` or ``N x H x W x 3``; a tensor ``3 x H x W`` or
                ``N x 3 x H x W``; or a list of such, of any sizes. RGB; uint8, or floats in [0, 1]; 16 x 16 or larger.
            style: The same kinds, or what ``encode_style`` made of them, for 1 picture or for each of N contents.
            alpha: From 0, the reconstructed content, to 1, the full style.
            styles: In place of ``style``: K styles to be mixed, or to be applied each in its mask's region.
            weights: One a style, at least 0; divided by their sum. Equal if None.
            masks: One a style: Pillow pictures, or arrays or tensors ``H x W`` (bools, uint8, or floats in [0, 1]); resized
                to the content. Each style acts on the content's statistics in its mask (weighted by it), as in the
                paper's figure. Where masks overlap, styles are mixed by ``weight x mask``. Where none is, the content's own
                pixels stay, and where their sum is below 1 it is the share of the stylized picture.
            preserve_color: ``coral`` gives the style picture the content's colors first, by its mean and covariance;
                ``luminance`` takes only the brightness of the result, and each pixel's color from the content.
            extrapolate: Lets alpha go beyond 1, which exaggerates the style.
            tile: See ``Tile``. Tiles of at least 64 pixels, rounded to a multiple of 8. The result is the same to 1e-3.
            smooth: Changes the content's statistics before they are replaced by the style's, as ``video`` does from frame
                to frame. It is given what ``functional.content_statistics`` makes of the contents, in their order, in one
                call or in several.
            stroke: Width of the strokes in proportion to the picture: 1 is that of a picture of 512 pixels, 2 twice as wide.
                The picture is stylized at ``512 / stroke`` pixels, and its finer detail is carried over. None: strokes have
                their size in pixels.

        Returns:
            Of the content's size, kind, type and range. A transparent Pillow picture keeps its transparency; its EXIF
            orientation is applied.

        Raises:
            InputError: If something is out of its range, of another shape, or of another number.

        Source:
            Huang & Belongie 2017, sections 7.2 and 7.3.
        """
        again: Callable[..., Any] = partial(
            self.stylize, alpha=alpha, weights=weights, masks=masks, preserve_color=preserve_color,
            extrapolate=extrapolate, tile=tile, smooth=smooth,
        )  # fmt: skip
        if isinstance(content, list | tuple):
            return [again(one, style, styles=styles, stroke=stroke) for one in content]
        chosen = _chosen(style, styles)
        check_request(len(chosen), alpha, weights, None if masks is None else len(masks), preserve_color, extrapolate)
        pixels, restore = to_pixels(cast(Picture, content), "content")
        height, width = pixels.shape[-2:]
        covers = None
        if masks is not None:
            covers = torch.cat([unit(to_mask(mask, (height, width), i)) for i, mask in enumerate(masks, 1)], dim=1)
        if stroke is not None:
            small = resized(pixels, working_size(height, width, stroke))
            made = again(small, styles=chosen)
            output = with_detail(made, small, pixels)
            if covers is not None:
                output = torch.where(covers.to(output.device).amax(1, True) > 0, output, pixels)
            return cast(P, restore(output))
        encoded = self.encode_style(chosen, colors(pixels) if preserve_color == "coral" else None)
        for one in encoded:
            if len(one.mean) not in (1, len(pixels)):
                raise InputError(
                    f"{len(one.mean)} styles are given for {len(pixels)} contents: give one style, or one a content"
                )
        side = self._tile_side(tile, height * width)
        together = side is None and (tile is None or self._fits(len(pixels) * height * width))
        output = torch.empty_like(pixels)
        for rows in [slice(None)] if together else [slice(i, i + 1) for i in range(len(pixels))]:
            part = [Statistics(*(p if len(p) == 1 else p[rows] for p in one)) for one in encoded]
            self._render(
                pixels[rows], output[rows], part, weights, covers, alpha, preserve_color == "luminance", side, smooth
            )
        return cast(P, restore(output))

    # --- how ----------------------------------------------------------------------------------------------------------

    def _statistics_of(self, style: Tensor, recolor: Colors | None = None) -> Statistics:
        """Return the statistics of N style pictures, in tiles where they are large, with other colors if given."""
        change: Callable[[Tensor], Tensor] | None = None
        if recolor is not None:
            content_colors, style_colors = (
                Colors(*(part.to(self.device) for part in one)) for one in (recolor, colors(style))
            )
            change = partial(coral, content=content_colors, style_colors=style_colors)
        side = self._tile_side("auto", len(style) * style.shape[-2] * style.shape[-1])
        picture, moments = whole(*style.shape[-2:]), Moments()
        for box in self._tiles(boxes(picture, side), "reading the style"):
            moments.add(self._features(style, box, picture, change))
        return Statistics(*(part.to(self.device) for part in moments.statistics()))

    def _features(
        self, pixels: Tensor, box: Box, picture: Box, change: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Return the features of a box, as they are in the whole picture."""
        window = box.grown(picture)
        part = unit(window.of_pixels(pixels), self.device)
        return box.of(self.encode(part if change is None else change(part)), window)

    def _render(
        self,
        pixels: Tensor,
        output: Tensor,
        styles: Sequence[Statistics],
        weights: Sequence[float] | None,
        covers: Tensor | None,
        alpha: float,
        luminance: bool,
        side: int | None,
        smooth: Smooth | None,
    ) -> None:
        """Write the stylized ``pixels`` into ``output``, box by box."""
        picture = whole(*pixels.shape[-2:])
        tiles = boxes(picture, side)
        shares = None if covers is None else regions(cells_of_masks(covers), weights).to(self.device)
        kept: Tensor | None = None
        if len(tiles) == 1:
            kept = self._features(pixels, picture, picture)
            content_stats = content_statistics(kept, shares)
        else:
            size = picture.bottom * picture.right
            if len(pixels) * size * 2048 <= _STORE_BYTES:
                kept = torch.empty(len(pixels), 512, picture.bottom, picture.right, device=self.device)
            moments = [Moments() for _ in styles] if shares is not None else [Moments()]
            for box in self._tiles(tiles, "reading"):
                features = self._features(pixels, box, picture)
                for k, moment in enumerate(moments):
                    moment.add(features, None if shares is None else box.of(shares)[:, k : k + 1])
                if kept is not None:
                    box.of(kept).copy_(features)
                del features
            content_stats = [Statistics(*(p.to(self.device) for p in moment.statistics())) for moment in moments]
        if smooth is not None:
            content_stats = smooth(content_stats)
        for box in self._tiles(tiles, "stylizing"):
            window = box.grown(picture)
            features = self._features(pixels, window, picture) if kept is None else window.of(kept)
            with arithmetic(self.device, self.precision):
                made = self.network.render(
                    features,
                    window.of_pixels(pixels).shape[-2:],
                    styles,
                    alpha,
                    weights,
                    None if shares is None else window.of(shares),
                    content_stats,
                )
            del features
            made = box.of_pixels(made.float(), window)
            if luminance:
                made = keep_chroma(made, unit(box.of_pixels(pixels), self.device))
            if covers is not None:
                cover = regions(box.of_pixels(covers).to(self.device), weights).sum(1, keepdim=True)
                made = torch.lerp(unit(box.of_pixels(pixels), self.device), made, cover)
            box.of_pixels(output).copy_(made if output.is_floating_point() else made.mul(255).round_())
            del made

    def _tiles(self, tiles: list[Box], doing: str) -> Iterator[Box]:
        """Yield the tiles under a bar, if it is wanted and they are several. Give memory back after each row of them."""
        for box in Bar(tiles, desc=doing, unit="tile", leave=False, disable=not self.show_progress or len(tiles) == 1):
            yield box
            if len(tiles) > 1 and box.right == tiles[-1].right:
                give_back_freed_memory()  # holes between tiles of different sizes add up: a row is as far as they may

    def _fits(self, pixels: int) -> bool:
        budget = available_memory(self.device) // 2
        return pixels * _BYTES_PER_PIXEL <= (min(budget, _WHOLE_BYTES) if self.device.type == "cpu" else budget)

    def _tile_side(self, tile: Tile, pixels: int) -> int | None:
        """Return the side of a tile for so many pixels; None for the whole at once."""
        if tile is None or (tile == "auto" and self._fits(pixels)):
            return None
        if tile != "auto":
            if isinstance(tile, bool) or not isinstance(tile, int) or tile < 64:
                raise InputError(f"tile={tile} cannot be used: give auto, or 64 pixels or more")
            return tile // CELL * CELL
        budget = available_memory(self.device) // 2
        window = int((min(budget, _TILE_BYTES) / _BYTES_PER_PIXEL) ** 0.5)
        return max(128, (window - 4 * HALO * CELL) // CELL * CELL)


def _chosen(style: Style | None, styles: Sequence[Style] | None) -> Sequence[Style]:
    if isinstance(style, list) or type(style) is tuple:
        raise InputError("style is a list: give styles=[..] to mix several, or one at a time")
    if (style is None) == (styles is None):
        raise InputError("give either style, or styles to mix several")
    chosen = [style] if style is not None else list(styles or ())
    if not chosen:
        raise InputError("styles is empty: give at least one")
    return chosen
