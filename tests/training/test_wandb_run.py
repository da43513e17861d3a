"""A W&B server that does not answer costs no run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from adain.runtime.errors import UserError
from adain.training import wandb_run


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logged in, with the server at a port where nothing listens."""
    wandb.teardown()  # it reads the environment once
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(wandb_run, "_PATIENCE", 1.0)
    yield
    wandb.finish()
    wandb.teardown()


@pytest.mark.usefixtures("nobody_answers")
def test_an_unreachable_server_means_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = wandb_run.wandb_logger(str(tmp_path), "adain", "name", None, [])
    assert logger.experiment.settings.mode == "offline"
    assert "the server cannot be used" in capsys.readouterr().out
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1


def test_a_run_is_known_by_its_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of two experiments may begin in one second; a resumed one is the same run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb_run, "StepLogger", lambda **given: SimpleNamespace(experiment=None, **given))
    folders = [tmp_path / name / "2026-01-01_00-00-00" for name in ("a", "b", "a")]
    made: list[Any] = [wandb_run.wandb_logger(str(folder), "mine", None, "group", ["tag"]) for folder in folders]
    first, other, again = (logger.id for logger in made)
    assert first == again != other
    assert [logger.name for logger in made[:2]] == ["a/2026-01-01_00-00-00", "b/2026-01-01_00-00-00"]
    assert (made[0].project, made[0].group, made[0].tags) == ("mine", "group", ["tag"])
    assert wandb_run.wandb_logger(str(folders[0]), "mine", "called", None, []).name == "called"


def test_names_that_are_not_utf_8_reach_wandb_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "data.content=caf\udce9", "é"])
    monkeypatch.setattr(wandb_run.WandbLogger, "experiment", property(lambda self: list(sys.argv)))
    logger: Any = object.__new__(wandb_run.StepLogger)
    assert logger.experiment == ["train", "data.content=caf\\udce9", "é"]
    assert sys.argv[1] == "data.content=caf\udce9"
    with pytest.raises(UserError, match="not UTF-8"):
        wandb_run.wandb_logger(str(tmp_path / "caf\udce9"), "p", None, None, [])


@pytest.mark.parametrize(
    ("project", "tags", "mode", "says"),
    [
        ("me/style", [], "offline", "Invalid project name 'me/style'"),
        ("adain", ["t" * 65], "offline", "is 65 characters"),
        ("adain", [], "ofline", "mode=ofline: Input should be 'online', 'offline'"),
    ],
)
def test_what_wandb_does_not_take_is_one_sentence(
    project: str, tags: list[str], mode: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(UserError) as caught:
        wandb_run.wandb_logger(str(tmp_path), project, None, None, tags)
    assert says in str(caught.value)
    assert "check logger.wandb.project, run.tags" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
