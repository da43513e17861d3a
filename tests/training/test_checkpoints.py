"""Which checkpoint a word means, and what is said of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from adain.runtime.errors import UserError
from adain.runtime.schema import MethodName
from adain.training.checkpoints import resolve_checkpoint


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def add_run(logs: Path, name: str, *kept: str, time: float = 1e9, **summary: object) -> Path:
    """A run's folder below ``logs``, now the newest, with checkpoints of these names and its record, if any is given."""
    folder = logs / name
    (folder / "checkpoints").mkdir(parents=True)
    for word in kept:
        (folder / "checkpoints" / f"{word}.ckpt").touch()
        os.utime(folder / "checkpoints" / f"{word}.ckpt", (time, time))
    if summary:
        (folder / "summary.json").write_text(json.dumps({**USABLE, **summary}))
        os.utime(folder / "summary.json", (time, time))
    (logs / "latest").unlink(missing_ok=True)
    (logs / "latest").symlink_to(folder, target_is_directory=True)
    return folder


USABLE = {"status": "finished", "model": "adain", "ablation": False, "draft": None}


# --- auto -------------------------------------------------------------------------------------------------------------


def test_auto_takes_the_newest_finished_run(logs: Path) -> None:
    add_run(logs, "runs/paper/a", "best", time=1e9, steps=9)
    add_run(logs, "runs/mine/b", "last", "best", time=2e9, steps=9)
    assert resolve_checkpoint("auto", logs) == (
        "logs/runs/mine/b/checkpoints/best.ckpt", "the newest finished run; decoder=shipped takes the one in the package"
    )  # fmt: skip


def test_auto_finds_the_newest_run_in_any_folder(logs: Path) -> None:
    add_run(logs, "../elsewhere", "best", steps=9)
    assert resolve_checkpoint("auto", logs).source == "elsewhere/checkpoints/best.ckpt"


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        ({"draft": "two minutes"}, "the newest finished run is a draft; decoder=latest takes it"),
        ({"status": "preempted"}, "no finished run under .*; decoder=latest takes the newest run"),
        ({"status": "running"}, "no finished run"),
        ({"status": "failed"}, "no finished run"),
        ({"model": "style_swap"}, "no finished run"),
        ({"ablation": True}, "no finished run"),
    ],
)
def test_auto_takes_no_run_that_is_not_for_use(summary: dict[str, object], why: str, logs: Path) -> None:
    add_run(logs, "runs/paper/a", "best", **summary)
    source, note = resolve_checkpoint("auto", logs)
    assert source == "shipped"
    assert re.match(why, note)


def test_auto_goes_back_behind_a_draft_and_says_which_draft_that_is(logs: Path) -> None:
    add_run(logs, "runs/paper/a", "best", time=1e9, steps=9)
    add_run(logs, "runs/quickstart/b", "best", time=2e9, draft="two minutes")
    assert resolve_checkpoint("auto", logs).source == "logs/runs/paper/a/checkpoints/best.ckpt"
    (logs / "runs/paper/a/checkpoints/best.ckpt").unlink()
    add_run(logs, "runs/quickstart/c", time=3e9, status="failed")
    assert "is a draft; decoder=logs/runs/quickstart/b takes it" in resolve_checkpoint("auto", logs).note


def test_a_run_of_0_1_does_not_say_what_it_is_for(logs: Path) -> None:
    folder = add_run(logs, "runs/quickstart/a", "best")
    (folder / "summary.json").write_text('{"status": "finished"}')
    assert resolve_checkpoint("auto", logs).source == "shipped"


def test_auto_takes_a_sweeps_winner_where_that_is_newest(logs: Path) -> None:
    for job, time in enumerate((3e9, 2e9)):
        add_run(logs, f"sweeps/grid/s/{job}", "best", time=time, steps=9)
    add_run(logs, "runs/paper/a", "best", time=1e9, steps=9)
    assert resolve_checkpoint("auto", logs).source == "logs/runs/paper/a/checkpoints/best.ckpt"  # none won yet
    (logs / "sweeps/grid/s/winner.json").write_text('{"job": 1, "finished": false}')
    assert resolve_checkpoint("auto", logs).source == "logs/runs/paper/a/checkpoints/best.ckpt"
    (logs / "sweeps/grid/s/winner.json").write_text('{"job": 1, "finished": true}')
    assert resolve_checkpoint("auto", logs) == (
        "logs/sweeps/grid/s/1/checkpoints/best.ckpt",
        "the newest sweep's winner; decoder=shipped takes the one in the package",
    )


def test_auto_leaves_a_draft_that_won_and_names_it(logs: Path) -> None:
    add_run(logs, "sweeps/grid/s/0", "best", draft="two minutes")
    add_run(logs, "runs/quickstart/a")
    (logs / "sweeps/grid/s/winner.json").write_text('{"job": 0, "finished": true}')
    assert resolve_checkpoint("auto", logs) == (
        "shipped", "the newest sweep's winner is a draft; decoder=logs/sweeps/grid/s/0 takes it"
    )  # fmt: skip


def test_the_line_names_the_decoder_and_why_unless_it_was_typed(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolve_checkpoint("auto", logs).announce()
    resolve_checkpoint("reference", logs).announce()
    assert capsys.readouterr().out == (
        f"decoder: shipped with the package (no run under {logs}/ yet; decoder=reference takes the published one)\n"
    )


# --- latest, words and paths ------------------------------------------------------------------------------------------


def test_latest_is_the_newest_runs_best(logs: Path) -> None:
    add_run(logs, "runs/paper/a", "last", "best")
    assert resolve_checkpoint("latest", logs) == (
        "logs/runs/paper/a/checkpoints/best.ckpt", "the newest run; decoder=shipped takes the one in the package"
    )  # fmt: skip


def test_latest_is_a_draft_too_and_that_is_said(logs: Path) -> None:
    add_run(logs, "runs/smoke/a", "best", draft="two minutes")
    source, note = resolve_checkpoint("latest", logs)
    assert source == "logs/runs/smoke/a/checkpoints/best.ckpt"
    assert note.startswith("the newest run, a draft; decoder=shipped")


def test_a_run_that_kept_nothing_does_not_hide_the_one_before(logs: Path) -> None:
    add_run(logs, "runs/paper/a", "best", time=1e9)
    add_run(logs, "runs/quickstart/b", "last", time=2e9)
    add_run(logs, "runs/quickstart/c")
    source, note = resolve_checkpoint("latest", logs)
    assert source == "logs/runs/quickstart/b/checkpoints/last.ckpt"
    assert note.startswith("the newest run kept no checkpoint")


def test_nothing_trained_yet(logs: Path) -> None:
    add_run(logs, "runs/quickstart/c")
    assert resolve_checkpoint("latest", logs) == ("shipped", f"no trained decoder under {logs}/ yet")


@pytest.mark.parametrize(("word", "source"), [("shipped", "shipped"), ("reference", "reference"), ("best", "shipped")])
def test_ready_decoders_need_no_run(word: str, source: str, logs: Path) -> None:
    assert resolve_checkpoint(word, logs) == (source, "")


def test_another_models_own_runs_come_before_the_newest(logs: Path) -> None:
    add_run(logs, "runs/style_swap/a", "best", "last", time=1e9)
    add_run(logs, "runs/quickstart/b", "best", time=2e9)
    for word in ("auto", "latest"):
        found = resolve_checkpoint(word, logs, "style_swap")
        assert found == (str(logs / "runs/style_swap/a/checkpoints/best.ckpt"), "the newest run of model=style_swap")


def test_a_runs_folder_is_its_best_checkpoint_else_its_last(logs: Path) -> None:
    whole, cut = add_run(logs, "runs/paper/a", "best", "last"), add_run(logs, "runs/paper/b", "last")
    models: tuple[MethodName, ...] = ("adain", "style_swap")
    for model in models:
        assert resolve_checkpoint(str(whole), logs, model).source == str(whole / "checkpoints" / "best.ckpt")
        assert resolve_checkpoint(str(cut), logs, model).source == str(cut / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize(
    ("word", "model", "message"),
    [
        ("gone.ckpt", "adain", "there is no checkpoint at gone.ckpt: give auto, latest"),
        ("empty", "adain", "decoder=empty is a folder without checkpoints/best.ckpt or last.ckpt"),
        ("empty", "style_swap", "decoder=empty is a folder .*: give latest"),
        ("shipped", "style_swap", "decoder=shipped is AdaIN's: give model=style_swap latest"),
        ("latest", "style_swap", "no model=style_swap was trained below .*: make train experiment=style_swap, or give"),
        ("latest", "texture_network", "make train experiment=texture_network model.style=FILE, or give decoder=PATH"),
    ],
)
def test_what_leads_to_no_file_is_refused(word: str, model: MethodName, message: str, logs: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(UserError, match=message):
        resolve_checkpoint(word, logs, model)
