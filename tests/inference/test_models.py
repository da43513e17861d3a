"""Which decoder a word means, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adain.inference.models import choose_decoder


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def add_run(logs: Path, name: str, *kept: str, time: float = 1e9) -> Path:
    """A run's folder, now the newest, with checkpoints of these names."""
    folder = logs / "runs" / name
    (folder / "checkpoints").mkdir(parents=True)
    for word in kept:
        (folder / "checkpoints" / f"{word}.ckpt").touch()
        os.utime(folder / "checkpoints" / f"{word}.ckpt", (time, time))
    (logs / "latest").unlink(missing_ok=True)
    (logs / "latest").symlink_to(folder, target_is_directory=True)
    return folder


def test_the_newest_runs_best(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "paper/a", "last", "best")
    assert choose_decoder("latest", logs) == "logs/runs/paper/a/checkpoints/best.ckpt"
    assert capsys.readouterr().out == ""


def test_a_run_that_kept_nothing_does_not_hide_the_one_before(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "paper/a", "best", time=1e9)
    add_run(logs, "quickstart/b", "last", time=2e9)
    add_run(logs, "quickstart/c")
    assert choose_decoder("latest", logs) == "logs/runs/quickstart/b/checkpoints/last.ckpt"
    assert "the newest run kept no checkpoint: using logs/runs/quickstart/b/" in capsys.readouterr().out


def test_nothing_trained_yet(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "quickstart/c")
    assert choose_decoder("latest", logs) == "shipped"
    assert "no trained decoder below" in capsys.readouterr().out


def test_a_trials_decoder_is_told_from_a_good_one(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "smoke/a", "best")
    assert choose_decoder("latest", logs) == "logs/runs/smoke/a/checkpoints/best.ckpt"
    assert "experiment=smoke, a trial: decoder=shipped makes good pictures" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["shipped", "reference", "some/file.ckpt"])
def test_other_words_are_themselves(word: str, logs: Path) -> None:
    assert choose_decoder(word, logs) == word
