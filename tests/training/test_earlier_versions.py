"""A run of an earlier version, kept in ``tests/fixtures``: it works as it did, or is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adain.data.picture import to_picture
from tests.helpers.runners import run_here

FIXTURES = Path(__file__).parents[1] / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.glob("run_*"))


@pytest.fixture(params=VERSIONS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy where a run lies, since it may be changed: it stopped after 6 steps, and was best after 4."""
    folder = tmp_path / "logs" / "runs" / "smoke" / request.param
    shutil.copytree(FIXTURES / request.param, folder)
    return folder


def refused(code: int, err: str) -> bool:
    """Whether the command ended in one sentence; anything else must be a success."""
    if code == 0:
        return False
    assert code == 1, err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1, err
    assert "Traceback" not in err
    return True


def test_there_is_a_run_of_the_first_version() -> None:
    assert "run_0_1" in VERSIONS


def waves(speed: float) -> Image.Image:
    """A picture that is the same for ever."""
    across, down = torch.linspace(0, speed, 32), torch.linspace(0, 2 * speed, 24)[:, None]
    return to_picture(torch.stack([(across + down).sin(), (across - down).cos(), (across * down).sin()]) / 2 + 0.5)


def test_its_decoder_stylizes_as_it_did(run: Path, tmp_path: Path) -> None:
    waves(3).save(tmp_path / "content.png")
    waves(9).save(tmp_path / "style.png")
    given = ["content=content.png", "style=style.png", f"decoder={run}", "out=out.png", "device=cpu"]
    code, _, err = run_here("stylize", tmp_path, *given)
    if not refused(code, err):
        made, kept = (np.asarray(Image.open(path), int) for path in (tmp_path / "out.png", run / "stylized.png"))
        assert np.abs(made - kept).max() <= 1


def test_it_goes_on(run: Path, tmp_path: Path) -> None:
    before = json.loads((run / "summary.json").read_text())
    code, _, err = run_here("train", tmp_path, f"ckpt={run}", "trainer.max_steps=8")
    after = json.loads((run / "summary.json").read_text())
    if refused(code, err):
        assert after == before
        return
    assert after["status"] == "finished"
    assert [row["step"] for row in after["history"]] == [0, 2, 4, 6, 8]
    assert after["history"][:4] == before["history"]
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 8
