"""Set-up's last step fetches what it can and says what it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from adain.commands import prepare
from adain.errors import UserError


def test_every_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prepare, "find", lambda name: Path("/cache") / name)
    monkeypatch.setattr(prepare, "sample_folder", lambda kind: Path("/cache") / kind)
    prepare.main()
    assert capsys.readouterr().out.splitlines() == [
        "encoder weights: /cache/vgg19_normalised",
        "reference decoder: /cache/reference_decoder",
        "sample photographs: /cache/content",
        "sample paintings: /cache/style",
    ]


def test_what_cannot_be_had_is_said_and_the_rest_is_fetched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(name: str) -> Path:
        raise UserError(f"no network for {name}")

    monkeypatch.setattr(prepare, "find", find)
    monkeypatch.setattr(prepare, "sample_folder", lambda kind: Path("/cache") / kind)
    prepare.main()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "encoder weights: no network for vgg19_normalised",
        "reference decoder: no network for reference_decoder",
    ]
    assert said.out.splitlines() == ["sample photographs: /cache/content", "sample paintings: /cache/style"]
