"""Set-up's last step fetches what it can and says what it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adain.runtime.fetch import cache_folder
from tests.helpers.runners import run_here

WEIGHTS = {"encoder weights": "vgg_normalised.pth", "reference decoder": "decoder.pth"}


def told(lines: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.splitlines())


def test_what_is_there_is_named(tmp_path: Path) -> None:
    code, out, err = run_here("prepare", tmp_path)
    assert (code, err) == (0, "")
    found = told(out)
    assert {what: Path(found.pop(what)) for what in WEIGHTS} == {w: cache_folder() / f for w, f in WEIGHTS.items()}
    assert list(found) == ["sample photographs", "sample paintings"]
    assert [len(list(Path(path).glob("*.jp*g"))) for path in found.values()] == [39, 174]


def test_what_cannot_be_had_is_said_and_the_rest_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with the decoder alone, and no network."""
    shutil.copy(cache_folder() / "decoder.pth", tmp_path)
    monkeypatch.setenv("ADAIN_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_RETRIES", "0")
    code, out, err = run_here("prepare", tmp_path)
    assert code == 0
    assert told(out) == {"reference decoder": str(tmp_path / "decoder.pth")}
    assert list(told(err)) == ["encoder weights", "sample photographs", "sample paintings"]
    assert "on a machine with a network get https://github.com/" in told(err)["encoder weights"]
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert kept == ["decoder.pth"]
