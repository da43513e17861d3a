"""``make doctor``: one line a check, problems and warnings told apart, the exit code, and the manifest it leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console

from adain.cli.doctor import check_pictures, main
from adain.cli.preflight.compose import preflight
from adain.data.scan_cache import ScanCache
from adain.data.sources import FolderSource
from adain.nn.decoder import Decoder
from adain.runtime.errors import UserError
from adain.runtime.findings import Finding, show
from adain.training import doctor
from tests.helpers.networks import saved
from tests.helpers.pictures import draw


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides of a small training on ten contents, two of them bad and one a copy, and ten styles, one gray."""
    for start, side in enumerate(("content", "style")):
        for number in range(10):
            draw(tmp_path / side / f"{number}.png", 10 * start + number, (80, 80))
    (tmp_path / "content" / "0.png").write_bytes(b"no picture")
    (tmp_path / "content" / "1.png").write_bytes(b"")
    (tmp_path / "content" / "3.png").write_bytes((tmp_path / "content" / "2.png").read_bytes())
    Image.new("L", (80, 80), 99).save(tmp_path / "style" / "4.png")
    monkeypatch.chdir(tmp_path)
    folders = ["data=folders", "data.content=content", "data.style=style"]
    return ["experiment=smoke", "trainer.precision=32-true", *folders, "data.num_workers=0"]


def report(*overrides: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the findings by check."""
    before, code = sys.argv, 0
    sys.argv = ["doctor", *overrides]
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    newest = max(Path("logs/doctor").glob("*/doctor.json"), key=lambda path: path.stat().st_mtime_ns)
    return code, {finding["check"]: finding for finding in json.loads(newest.read_text())["findings"]}


def test_a_report(folders: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(*folders)
    text = capsys.readouterr().out
    assert code == 0
    assert found["content"]["figures"] == {**found["content"]["figures"], "pictures": 10, "usable": 8}
    assert found["content: unreadable"]["figures"] == {"unreadable": 2}
    assert found["content: copies"]["figures"] == {"copies": 1}
    assert found["style: gray"]["figures"] == {"gray": 1}
    levels = {check: finding["level"] for check, finding in found.items()}
    assert levels["content: unreadable"] == levels["style: gray"] == levels["W&B"] == "warning"
    assert levels["style: unreadable"] == levels["encoder weights"] == levels["disk"] == levels["devices"] == "ok"
    assert found["loader and model"]["figures"]["step_seconds"] > 0
    assert 0 <= found["loader and model"]["figures"]["share_waiting"] <= 1
    assert "0 problems" in text
    assert not Path("logs/latest").exists(), "no run was made"
    known = ScanCache(Path("logs/doctor/manifest.sqlite"))
    assert len(known.known([str(p.absolute()) for p in Path("content").iterdir()], _under())) == 10
    known.close()
    assert len(FolderSource("content", manifest="logs/doctor/manifest.sqlite").bad) == 2


def _under() -> str:
    from adain.data.scan_cache import conditions

    return conditions(89478485, 16)


def test_problems_end_with_1_and_the_other_checks_are_made(
    folders: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("give less")

    monkeypatch.setattr("adain.training.doctor.check_loader", refuse)
    monkeypatch.setattr("adain.training.doctor.check_weights", refuse)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor.shutil._ntuple_diskusage(10, 9, 1))
    code, found = report(*folders)
    assert code == 1
    assert [check for check, f in found.items() if f["level"] == "problem"] == ["weights", "disk", "loader"]
    assert found["weights"]["text"] == "give less"
    assert "free some" in found["disk"]["text"]
    assert found["devices"]["level"] == "ok"


SMALL = ["data=synthetic", "data.crop=32", "data.resize=32", "data.val_size=32", "data.num_workers=0", "data.count=8",
         "data.batch_size=1", "trainer=cpu"]  # fmt: skip


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=style_swap", "model.init=best.ckpt"],
        ["experiment=texture_network", "model.style=style/0.png", "model.style_size=32"],
    ],
)
def test_every_system_that_is_trained(folders: list[str], overrides: list[str]) -> None:
    saved("style_swap", Path())
    code, found = report(*overrides, *SMALL, "model.widths=[4,6]" if "experiment=style_swap" in overrides else "seed=1")
    assert code == 0, found
    assert found["loader and model"]["figures"]["step_seconds"] > 0
    if "experiment=style_swap" in overrides:
        assert found["first decoder"]["level"] == "ok"
        code, found = report(*overrides, *SMALL, "model.widths=[8,6]")
        assert code == 1
        assert "holds no inverse network of widths [8, 6]" in found["weights"]["text"]


def test_no_word_is_broken_in_a_narrow_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    file = "logs/doctor/2026-01-02_03-04-05/content_copies.txt"
    found = Finding("warning", "content: copies", "12 pictures are there several times, byte for byte", {}, file)
    show(found, Console(width=80))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{'warning':<9}{'content: copies':<22}12 pictures are there several times, byte for"
    assert [line.strip() for line in lines[1:]] == ["byte", file]
    assert max(map(len, lines)) < 80


def config(*overrides: str) -> DictConfig:
    return preflight("train", [*overrides]).config


def test_the_space_for_checkpoints_is_that_of_weights_and_moments() -> None:
    """3,505,219 parameters of 4 bytes, and Adam's two moments or Muon's one (shared figures of the paper's decoder)."""
    for optim, copies in (("adam", 3), ("muon", 2)):
        [found] = doctor.check_disk(config(f"optimizer={optim}"), Decoder())
        assert found.figures["checkpoint"] == 3_505_219 * 4 * copies


def test_more_validations_need_more_space() -> None:
    few, many = (doctor.check_disk(config(f"trainer.val_check_interval={n}"), Decoder())[0] for n in (25, 5))
    assert (few.figures["validations"], many.figures["validations"]) == (7, 33)
    assert many.figures["need"] > few.figures["need"]


def test_what_is_wrong_with_wandb_is_a_finding_or_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = config().logger.wandb
    wandb.teardown()  # it reads the environment once
    monkeypatch.setenv("WANDB_API_KEY", "foo")
    [found] = doctor.check_wandb(logger)
    wandb.teardown()
    assert (found.level, "it is not taken" in found.text) == ("warning", True)
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(UserError, match="mode=ofline"):
        doctor.check_wandb(logger)


def test_streams_are_not_scanned_and_say_so(folders: list[str], tmp_path: Path) -> None:
    [found] = check_pictures(config("data=hub"), tmp_path)
    assert found.level == "warning"
    assert "not scanned" in found.text
