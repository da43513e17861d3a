"""A picture field whose files reach our own reader, not gradio's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import component_meta
from gradio.data_classes import ImageData


@contextmanager
def _no_stub_file() -> Iterator[None]:
    """Keep gradio from writing a .pyi file beside the module of a component: it may not be allowed to."""
    writer = component_meta.create_or_modify_pyi
    component_meta.create_or_modify_pyi = lambda *_: None
    try:
        yield
    finally:
        component_meta.create_or_modify_pyi = writer


with _no_stub_file():

    class Upload(gr.Image):
        """A picture whose bytes reach our own reader: Pillow's other formats and addresses elsewhere are never opened."""

        def preprocess(self, payload: ImageData | None) -> Any:
            """Return the uploaded file, or the bytes of a snapshot."""
            if payload is None:
                return None
            if payload.url and payload.url.startswith("data:"):
                try:
                    return base64.b64decode(payload.url.partition(",")[2], validate=True)
                except ValueError:
                    return b""  # read as no picture
            if payload.path is None:
                return None
            # gradio checks only paths that come with its own mark, and whoever sends a request may leave that out
            path = Path(payload.path).resolve()
            if not path.is_relative_to(Path(self.GRADIO_CACHE).resolve()):
                raise gr.Error("Give an uploaded picture, not a path.", print_exception=False)
            if not path.is_file():
                raise gr.Error("This picture is no longer here: upload it again.", print_exception=False)
            return path

        async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
            """Take files of the server's own folder only."""
            if str(url_or_file_path).lower().startswith(("http:", "https:")):
                raise gr.Error("Give a picture, not an address.", print_exception=False)
            return await super().async_move_resource_to_block_cache(url_or_file_path)

        def get_block_name(self) -> str:
            """Return gradio's name: the browser's side is its own."""
            return "image"
