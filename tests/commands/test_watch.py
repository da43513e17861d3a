"""The terminal dashboard is opened on a run that is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from adain.commands import watch


def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command said when it ended with exit code 1."""
    monkeypatch.setattr(sys, "argv", ["watch", *arguments])
    with pytest.raises(SystemExit) as caught:
        watch.main()
    assert caught.value.code == 1
    return capsys.readouterr().err


def opened(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """What the process becomes."""
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: became.append(command))
    monkeypatch.setattr(sys, "argv", ["watch", *arguments])
    watch.main()
    return became[0]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "a"
    (folder / "wandb").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "latest").symlink_to(folder, target_is_directory=True)
    return folder


def test_the_newest_run_is_opened(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(monkeypatch) == [sys.executable, "-m", "wandb", "leet", str(run / "wandb")]


def test_a_given_run_is_opened(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(monkeypatch, f"run={run}")[-1] == str(run / "wandb")


def test_an_unknown_key_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(monkeypatch, capsys, "rnu=x").startswith("error: there is no key rnu: make watch takes run=PATH")


def test_no_run_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert failed(monkeypatch, capsys).startswith("error: logs/latest holds no W&B run: train one with make train")


def test_a_run_without_wandb_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{tmp_path} holds no W&B run" in failed(monkeypatch, capsys, f"run={tmp_path}")
