"""Sweeps of either kind, cut and gone on with, in every precision and strategy."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import stopping
from tests.helpers.runners import run_here
from tests.helpers.settings import QUICK, ROOT

SMALL = [
    *QUICK, "data.batch_size=1", "data.val_pairs=1", "trainer.max_steps=2", "trainer.val_check_interval=1",
    "trainer.enable_progress_bar=false",
]  # fmt: skip
SWEEPS = {
    "grid": ["optimizer.lr=1e-4,2e-4"],
    "optuna": [
        "sweep=optuna",
        "optimizer.lr=interval(1e-4,2e-4)",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.pruner=null",
    ],
}
PRECISIONS = ["32-true", "bf16-mixed", "auto"]
STRATEGIES = {
    "single": [],
    "ddp": ["strategy=ddp", "trainer.devices=2"],
    "fsdp": ["strategy=fsdp", "trainer.devices=2"],
}


QUICK_ONES = [("grid", "auto", "single")]
WHICH = [
    *product(SWEEPS, PRECISIONS, ["single"]),
    *product(["grid"], ["32-true", "bf16-mixed"], ["ddp", "fsdp"]),
]


@pytest.mark.parametrize(
    ("kind", "precision", "strategy"),
    [
        pytest.param(*which, id=" ".join(which), marks=[] if which in QUICK_ONES else [pytest.mark.slow])
        for which in WHICH
    ],
)
def test_a_sweep_is_cut_and_goes_on(
    kind: str, precision: str, strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut in the first of two jobs after the first of two steps, of two ranks both."""
    if kind == "optuna":
        pytest.importorskip("optuna")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for ranks to find the callback that stops them
    stopping.stop_at(monkeypatch, "batch", 1)
    words = [*SMALL, *SWEEPS[kind], *STRATEGIES[strategy], f"trainer.precision={precision}", stopping.TARGET]
    code, out, err = run_here("sweep", tmp_path, *words)
    assert code == 143, out + err
    sweep = (tmp_path / "logs" / "sweeps" / "latest").resolve()
    cut = summary(sweep / "0")
    assert (cut["status"], cut["steps"]) == ("preempted", 1)
    assert not (sweep / "1").exists()

    stopping.go_on(monkeypatch)
    code, out, err = run_here("sweep", tmp_path, "resume=latest")
    assert code == 0, out + err
    jobs = [summary(sweep / name) for name in ("0", "1")]
    for job in jobs:
        assert (job["status"], job["steps"]) == ("finished", 2)
        assert [row["step"] for row in job["history"]] == [0, 1, 2]
        assert job["world_size"] == (1 if strategy == "single" else 2)
        assert job["precision"] == (cut["precision"] if precision == "auto" else precision)
    assert jobs[0]["lr"] == cut["lr"] != jobs[1]["lr"]


def summary(job: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job / "summary.json").read_text())
    return found
