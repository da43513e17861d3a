"""What a job of several processes ended as, by the exit codes of its ranks."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.runtime.run_folder import TRAINING_LOCK
from adain.training import ranks


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs made-up ranks that end with these codes, the named one first; the launcher itself was told nothing."""
    (tmp_path / "summary.json").write_text(json.dumps({"status": "running", "best": {"val/loss": 2.5}}))
    hydra = SimpleNamespace(runtime=SimpleNamespace(output_dir=str(tmp_path)))
    monkeypatch.setattr(ranks, "HydraConfig", SimpleNamespace(get=lambda: hydra))

    def run(codes: list[int], first: int | None) -> Any:
        group = SimpleNamespace(
            codes=codes, received=None, receive=signal.SIG_DFL, wait=lambda: first, kill=lambda: None,
            message=lambda rank: f"rank {rank}",
        )  # fmt: skip
        monkeypatch.setattr(ranks, "_Group", lambda *given: group)
        return ranks.run_ranks(OmegaConf.create({"monitor": {"metric": "val/loss"}}), len(codes))

    return run


@pytest.mark.parametrize(("codes", "first"), [([143, 143], 0), ([-signal.SIGKILL, 143], 1), ([130, 130], 0)])
def test_one_rank_that_was_told_alone_stops_the_job_and_fails_nothing(
    codes: list[int], first: int, ended: Any, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as caught:
        ended(codes, first)
    assert caught.value.code == codes[first]
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "running"  # rank 0 has its own word


@pytest.mark.parametrize(("codes", "first"), [([1, 1], 0), ([0, -signal.SIGKILL], 1), ([3, 143], 0)])
def test_any_other_end_is_a_failure(codes: list[int], first: int, ended: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"rank {first}"):
        ended(codes, first)
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "failed"


def test_ranks_that_were_refused_leave_the_word_of_the_run_that_is_at_work(ended: Any, tmp_path: Path) -> None:
    with lock(tmp_path / TRAINING_LOCK), pytest.raises(UserError, match="rank 0"):
        ended([1, 0], 0)
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "running"


def test_all_done_is_the_best_value(ended: Any) -> None:
    assert ended([0, 0], None) == 2.5
