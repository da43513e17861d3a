"""Which checkpoint a word means, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adain.runtime.errors import UserError
from adain.runtime.schema import MethodName
from adain.training.checkpoints import resolve_checkpoint, resolve_file


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
    assert resolve_checkpoint("latest", logs) == "logs/runs/paper/a/checkpoints/best.ckpt"
    assert capsys.readouterr().out == ""


def test_a_run_that_kept_nothing_does_not_hide_the_one_before(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "paper/a", "best", time=1e9)
    add_run(logs, "quickstart/b", "last", time=2e9)
    add_run(logs, "quickstart/c")
    assert resolve_checkpoint("latest", logs) == "logs/runs/quickstart/b/checkpoints/last.ckpt"
    assert "the newest run kept no checkpoint: using logs/runs/quickstart/b/" in capsys.readouterr().out


def test_nothing_trained_yet(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "quickstart/c")
    assert resolve_checkpoint("latest", logs) == "shipped"
    assert "no trained decoder below" in capsys.readouterr().out


def test_a_trials_decoder_is_told_from_a_good_one(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(logs, "smoke/a", "best")
    assert resolve_checkpoint("latest", logs) == "logs/runs/smoke/a/checkpoints/best.ckpt"
    assert "experiment=smoke, a trial: decoder=shipped makes good pictures" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["shipped", "reference", "some/file.ckpt"])
def test_other_words_are_themselves(word: str, logs: Path) -> None:
    assert resolve_checkpoint(word, logs) == word


def test_another_models_own_runs_come_before_the_newest(logs: Path) -> None:
    add_run(logs, "style_swap/a", "best", "last", time=1e9)
    add_run(logs, "quickstart/b", "best", time=2e9)
    assert resolve_checkpoint("latest", logs, "style_swap") == str(logs / "runs/style_swap/a/checkpoints/best.ckpt")


def test_a_runs_folder_is_its_best_checkpoint_else_its_last(logs: Path) -> None:
    whole, cut = add_run(logs, "paper/a", "best", "last"), add_run(logs, "paper/b", "last")
    models: tuple[MethodName, ...] = ("adain", "style_swap")
    for model in models:
        assert resolve_file(str(whole), logs, model) == str(whole / "checkpoints" / "best.ckpt")
        assert resolve_file(str(cut), logs, model) == str(cut / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize(
    ("word", "model", "message"),
    [
        ("gone.ckpt", "adain", "there is no checkpoint at gone.ckpt: give a file"),
        ("empty", "adain", "empty is a folder without checkpoints/best.ckpt or last.ckpt"),
        ("empty", "style_swap", "decoder=empty has no checkpoint: give latest"),
        ("shipped", "style_swap", "decoder=shipped is AdaIN's: give model=style_swap latest"),
        ("latest", "style_swap", "no model=style_swap was trained below .*: make train experiment=style_swap, or give"),
        ("latest", "texture_network", "make train experiment=texture_network model.style=FILE, or give decoder=PATH"),
    ],
)
def test_what_leads_to_no_file_is_refused(word: str, model: MethodName, message: str, logs: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(UserError, match=message):
        resolve_file(word, logs, model)
