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
            path = Path(payload.path)  # one of the server's own: see `doors`
            if not path.is_file():
                raise gr.Error("This picture is no longer here: upload it again.", print_exception=False)
            return path

        def get_block_name(self) -> str:
            """Return gradio's name: the browser's side is its own."""
            return "image"
