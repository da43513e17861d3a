"""Where ``make stylize`` is tested: in this process, in a folder with two pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from adain.inference.stylizer import Stylizer
from tests.helpers.pictures import edged
from tests.helpers.stylize import Copying, load, reference


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the command runs in, with two pictures; the networks are read once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    edged().save("content.png")
    edged((64, 64), "orange", "darkred").save("style.png")

    def read(decoder: str, device: str | None = None, precision: str = "32-true") -> Stylizer:
        return reference() if decoder == "reference" else load(decoder, device="cpu")

    monkeypatch.setattr(Stylizer, "load", read)
    return tmp_path


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> Copying:
    made = Copying()
    monkeypatch.setattr(Stylizer, "load", lambda decoder, device=None, precision="32-true": made)
    return made
