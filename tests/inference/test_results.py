"""What results are called, and how they are written."""

from __future__ import annotations

import io
from pathlib import Path

from adain.inference.results import save, send
from tests.helpers.pictures import edged


def test_the_quality_of_a_picture_is_the_one_asked_for_in_a_file_and_in_a_pipe(tmp_path: Path) -> None:
    sizes = []
    for quality in (20, 95):
        sink = io.BytesIO()
        send(edged(), "jpg", sink, quality=quality)
        save(edged(), tmp_path / "a.jpg", None, quality)
        assert (tmp_path / "a.jpg").read_bytes() == sink.getvalue()
        sizes.append(len(sink.getvalue()))
    assert sizes[0] < 0.7 * sizes[1]
