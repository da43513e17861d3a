from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from adain.commands.bench import main


def test_all_contestants_are_measured_at_every_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That it runs and says what it measured; how fast is for people to look at, not for tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["bench", "sizes=[32,40]", "batch_size=1", "repeats=1", "steps=1", "precisions=[32-true]"]
    )
    main()
    (saved,) = tmp_path.glob("logs/bench/*/bench.json")
    rows = json.loads(saved.read_text())["rows"]
    steps = ["plain, default allocator", "plain", "ours, 32-true", "ours, 32-true, Lightning's loop"]
    assert [(row["size"], row["step"]) for row in rows] == [(size, step) for size in (32, 40) for step in steps]
    assert all(row["median_s"] > 0 for row in rows)
    assert "x plain" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench", "bench=fast"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
