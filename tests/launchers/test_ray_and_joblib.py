"""Sweeps by Ray, on a head of its own, and by joblib: jobs in fresh processes find configuration, torch and folder."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.helpers.runners import command
from tests.helpers.settings import QUICK

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("launcher", "words"),
    [
        ("ray", ["+hydra.launcher.ray.init.num_cpus=2"]),
        ("joblib", ["hydra.launcher.n_jobs=2"]),
    ],
)
def test_a_sweep_of_two_jobs(launcher: str, words: list[str], tmp_path: Path) -> None:
    if importlib.util.find_spec(f"hydra_plugins.hydra_{launcher}_launcher") is None:
        pytest.skip(f"needs the extra `{launcher}`")
    sweep = tmp_path / "sweep"
    done = command(
        "train", "--multirun", f"hydra/launcher={launcher}", *words, f"hydra.sweep.dir={sweep}", *QUICK,
        "model.style_weight=1,5", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    best = [json.loads((sweep / str(number) / "summary.json").read_text()) for number in (0, 1)]
    assert [job["status"] for job in best] == ["finished", "finished"]
    assert best[0]["final"]["val/loss"] != best[1]["final"]["val/loss"]
