"""The data choices of the configuration (``data=sample`` and so on), each as a pairing data module."""

from __future__ import annotations

from typing import Any, Unpack

from adain.data.hub import HubSource
from adain.data.pairs import StyleTransferDataModule
from adain.data.sample import sample_source
from adain.data.sources import FolderSource
from adain.data.synthetic import SyntheticSource
from adain.runtime.schema import Count, Pairs, Paths


def sample(**pairs: Unpack[Pairs]) -> StyleTransferDataModule:
    """Pair the sample photographs and paintings. ``pairs``: see ``StyleTransferDataModule``."""
    return StyleTransferDataModule(sample_source("content"), sample_source("style"), **pairs)


def folders(
    content: Paths,
    style: Paths,
    held_out: Paths | None,
    max_pixels: Count,
    min_side: Count,
    manifest: str | None,
    **pairs: Unpack[Pairs],
) -> StyleTransferDataModule:
    """Pair folders of pictures; see ``FolderSource`` and ``StyleTransferDataModule``."""
    contents, styles = (FolderSource(roots, max_pixels, min_side, held_out, manifest) for roots in (content, style))
    return StyleTransferDataModule(contents, styles, **pairs)


def hub(
    content: dict[str, Any],
    style: dict[str, Any],
    buffer: Count,
    max_pixels: Count,
    min_side: Count,
    **pairs: Unpack[Pairs],
) -> StyleTransferDataModule:
    """Pair streamed data sets; see ``HubSource`` and ``StyleTransferDataModule``."""
    shared: dict[str, Any] = {"buffer": buffer, "max_pixels": max_pixels, "min_side": min_side}
    return StyleTransferDataModule(HubSource(**content, **shared), HubSource(**style, **shared), **pairs)


def synthetic(count: Count, **pairs: Unpack[Pairs]) -> StyleTransferDataModule:
    """Pair generated pictures; see ``SyntheticSource`` and ``StyleTransferDataModule``."""
    return StyleTransferDataModule(SyntheticSource("content", count), SyntheticSource("style", count), **pairs)
