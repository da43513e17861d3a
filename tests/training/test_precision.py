"""``trainer.precision=auto`` is decided once for a run and once for a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adain.training import precision
from adain.training.precision import settle_precision, sweep_precision


def make_run(folder: Path, summary: dict[str, str] | None) -> Path:
    """A run's folder. Returns where its checkpoint would be."""
    folder.mkdir()
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize(
    ("summary", "device", "settled"),
    [
        ({"precision": "16-mixed", "device": "cpu"}, "cpu", "16-mixed"),
        ({"precision": "16-mixed", "device": "cuda:0"}, "cpu", "fastest"),
        ({"device": "cpu"}, "cpu", "fastest"),
        (None, "cpu", "fastest"),
    ],
)
def test_a_resumed_run_keeps_the_precision_it_had_on_such_a_device(
    summary: dict[str, str] | None, device: str, settled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fastest_precision", lambda device: "fastest")
    assert settle_precision(make_run(tmp_path / "run", summary), device) == settled


def test_the_first_job_of_a_sweep_decides_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one runs on another machine."""
    monkeypatch.setattr(precision, "fastest_precision", lambda device: "bf16-mixed")
    assert sweep_precision(tmp_path, "cpu") == "bf16-mixed"
    monkeypatch.setattr(precision, "fastest_precision", lambda device: "32-true")
    assert sweep_precision(tmp_path, "cpu") == "bf16-mixed"
    assert sweep_precision(tmp_path, "cuda") == "32-true"
    assert json.loads((tmp_path / "precision.json").read_text()) == {"cpu": "bf16-mixed", "cuda": "32-true"}
