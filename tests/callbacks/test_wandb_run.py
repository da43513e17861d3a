"""A W&B server that does not answer costs no run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from adain.callbacks import wandb_run


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
