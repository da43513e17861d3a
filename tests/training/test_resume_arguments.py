"""``ckpt=``: what is typed becomes the interrupted run's own arguments, its checkpoint and its folder."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from adain.cli.preflight.compose import compose_config, preflight
from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.runtime.run_folder import TRAINING_LOCK
from adain.training.resume import check_unchanged, check_unused, requeued, resumed_arguments
from tests.helpers.runners import run_here
from tests.helpers.settings import QUICK

OWN = ["experiment=smoke", "trainer.max_steps=6", "optimizer.lr=2e-4"]


def make_run(folder: Path, overrides: list[str] = OWN) -> Path:
    """A run's folder with both its checkpoints."""
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), folder / ".hydra" / "overrides.yaml")
    (folder / "checkpoints").mkdir()
    for name in ("last.ckpt", "best.ckpt"):
        (folder / "checkpoints" / name).touch()
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The newest run below ``logs``."""
    monkeypatch.chdir(tmp_path)
    folder = make_run(tmp_path / "logs" / "runs" / "smoke" / "2026-01-01")
    (tmp_path / "logs" / "latest").symlink_to(folder, target_is_directory=True)
    return folder


def rewritten(*typed: str) -> list[str]:
    return resumed_arguments(list(typed))


def values(arguments: list[str]) -> dict[str, Any]:
    """What Hydra makes of them: a later value wins."""
    return {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(arguments)}


@pytest.mark.parametrize("typed", ["ckpt=last", "ckpt=logs/latest", "ckpt=logs/latest/checkpoints/last.ckpt"])
def test_deepspeeds_checkpoint_is_a_folder(typed: str, run: Path) -> None:
    last = run / "checkpoints" / "last.ckpt"
    last.unlink()
    last.mkdir()
    with pytest.raises(UserError):
        rewritten(typed)
    (last / "latest").touch()
    assert values(rewritten(typed))["ckpt"] == str(last)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("typed", [[], ["seed=3"], ["ckpt=null", "seed=3"]])
def test_without_a_checkpoint_nothing_changes(typed: list[str]) -> None:
    assert rewritten(*typed) == typed


@pytest.mark.parametrize("word", ["last", "best"])
def test_a_word_is_the_newest_runs_checkpoint(word: str, run: Path) -> None:
    assert values(rewritten(f"ckpt={word}"))["ckpt"] == str(run / "checkpoints" / f"{word}.ckpt")


def test_a_runs_folder_is_its_last_checkpoint(run: Path) -> None:
    assert values(rewritten(f"ckpt={run}"))["ckpt"] == str(run / "checkpoints" / "last.ckpt")


def test_a_path_is_that_checkpoint(run: Path) -> None:
    path = (run / "checkpoints" / "best.ckpt").relative_to(Path.cwd())
    assert values(rewritten(f"ckpt={path}"))["ckpt"] == str(run / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize("given", ["last", "logs/latest", "logs/latest/checkpoints/best.ckpt"])
def test_the_outputs_go_to_the_runs_folder(given: str, run: Path) -> None:
    assert values(rewritten(f"ckpt={given}"))["hydra.run.dir"] == str(run)


@pytest.mark.usefixtures("run")
def test_the_runs_own_arguments_come_first() -> None:
    assert rewritten("seed=3", "ckpt=last")[:4] == [*OWN, "seed=3"]


@pytest.mark.usefixtures("run")
def test_typed_arguments_win() -> None:
    arguments = rewritten("ckpt=last", "trainer.max_steps=1000")
    assert values(arguments)["trainer.max_steps"] == 1000
    assert values(arguments)["optimizer.lr"] == 2e-4


@pytest.mark.usefixtures("run")
def test_the_result_is_a_right_configuration() -> None:
    preflight("train", rewritten("ckpt=last", "trainer.max_steps=1000"))


def test_a_run_may_be_resumed_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [*OWN, "ckpt='/old/last.ckpt'", "hydra.run.dir='/old'"])
    arguments = rewritten(f"ckpt={run}")
    assert sum(a.startswith("ckpt=") for a in arguments) == sum(a.startswith("hydra.run.dir=") for a in arguments) == 1
    assert "/old" not in " ".join(arguments)


def test_other_logs_are_searched_where_they_are_given(tmp_path: Path, run: Path) -> None:
    other = make_run(tmp_path / "elsewhere" / "runs" / "a")
    (tmp_path / "elsewhere" / "latest").symlink_to(other, target_is_directory=True)
    assert values(rewritten("ckpt=last", "logs=elsewhere"))["hydra.run.dir"] == str(other)


@pytest.mark.parametrize("name", ["with space", "it's", "a,b=[c]", "画"])
def test_any_folder_name_is_kept_whole(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / name)
    found = values(rewritten(f"ckpt={run}"))
    assert (found["ckpt"], found["hydra.run.dir"]) == (str(run / "checkpoints" / "last.ckpt"), str(run))


@pytest.mark.parametrize("word", ["last", "best"])
def test_no_run_at_all_is_named(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"ckpt={word}: there is no run below logs yet: train first"):
        rewritten(f"ckpt={word}")


@pytest.mark.parametrize("word", ["last", "best"])
def test_a_newest_run_without_the_checkpoint_is_named(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "latest").mkdir(parents=True)
    with pytest.raises(UserError, match=f"the newest run below logs has no {word}.ckpt"):
        rewritten(f"ckpt={word}")


@pytest.mark.parametrize("given", ["lst", "/no/such/run", "missing.ckpt"])
def test_a_checkpoint_that_is_not_there_is_named(given: str, run: Path) -> None:
    with pytest.raises(UserError, match=f"ckpt={given} does not exist: give last, best"):
        rewritten(f"ckpt={given}")


def test_a_checkpoint_in_no_run_says_how_to_start_from_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = tmp_path / "a" / "b" / "lonely.ckpt"
    path.touch()
    with pytest.raises(UserError, match=f"lies in no run's folder.*model.init={path}"):
        rewritten(f"ckpt={path}")


def test_what_it_was_may_be_typed_again(run: Path) -> None:
    assert values(rewritten("ckpt=last", "optimizer.lr=2e-4"))["optimizer.lr"] == 2e-4


def test_a_newest_run_without_a_checkpoint_names_the_newest_that_has_one(run: Path, tmp_path: Path) -> None:
    failed = tmp_path / "logs" / "runs" / "smoke" / "2026-01-02"
    failed.mkdir()
    (tmp_path / "logs" / "latest").unlink()
    (tmp_path / "logs" / "latest").symlink_to(failed, target_is_directory=True)
    with pytest.raises(UserError, match="give ckpt=logs/runs/smoke/2026-01-01/checkpoints/best.ckpt"):
        rewritten("ckpt=last")


def test_a_new_run_does_not_replace_another(run: Path) -> None:
    last, best = (run / "checkpoints" / name for name in ("last.ckpt", "best.ckpt"))
    with pytest.raises(UserError, match=f"already holds a run: continue it with ckpt={last}, or give another folder"):
        check_unused(run)
    last.unlink()
    check_unused(run)  # cut in its last validation: it begins anew
    (run / "summary.json").write_text('{"status": "finished"}')
    with pytest.raises(UserError, match=f"already holds a run: continue it with ckpt={best}, or give another folder"):
        check_unused(run)
    check_unused(run.with_name("another"))


@pytest.mark.parametrize(("restarts", "goes_on"), [("0", False), ("1", True)])
def test_a_job_that_slurm_began_again_is_not_a_new_run(
    restarts: str, goes_on: bool, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    config = OmegaConf.create({"ckpt": None})
    requeued(config, run)
    assert config.ckpt == (str(run / "checkpoints" / "last.ckpt") if goes_on else None)


@pytest.mark.parametrize("typed", ["hydra.run.dir=logs/runs/smoke/2026-01-01", "++hydra.run.dir=logs/latest"])
@pytest.mark.parametrize("state", ["at work", "finished"])
def test_a_refused_run_leaves_the_others_record(typed: str, state: str, run: Path, tmp_path: Path) -> None:
    if state == "at work":
        shutil.rmtree(run / "checkpoints")  # it has not validated yet
    before = {path: path.is_dir() or path.read_bytes() for path in run.rglob("*")}
    with lock(run / TRAINING_LOCK) if state == "at work" else contextlib.nullcontext():
        code, _, err = run_here("train", tmp_path, *QUICK, typed)
    assert code == 1
    assert ("another training is at work in" if state == "at work" else "already holds a run: continue it") in err
    assert {path: path.is_dir() or path.read_bytes() for path in run.rglob("*") if path.suffix != ".lock"} == before


def test_a_style_that_was_learned_may_move_but_not_change(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    pictures = {
        "style.jpg": b"one",
        "moved/style.jpg": b"one",
        "copy.jpg": b"one",
        "other.jpg": b"two",
        "new/style.jpg": b"two",
    }
    for name, content in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)

    def check(style: str) -> None:
        words = ["experiment=texture_network", f"model.style={tmp_path / style}", f"ckpt={tmp_path}"]
        check_unchanged(compose_config("train", words), tmp_path)

    record = compose_config("train", ["experiment=texture_network", f"model.style={tmp_path / 'style.jpg'}"])
    OmegaConf.save(record, tmp_path / ".hydra" / "config.yaml")
    for same in ("style.jpg", "moved/style.jpg", "copy.jpg"):
        check(same)
    for other in ("other.jpg", "new/style.jpg", "gone.jpg"):
        with pytest.raises(
            UserError, match=rf"model.style=\S+, so it cannot continue with model.style=\S+{other}: leave"
        ):
            check(other)
    (tmp_path / "style.jpg").unlink()  # moved away: the name must do
    check("new/style.jpg")
    with pytest.raises(UserError, match="so it cannot continue with"):
        check("copy.jpg")
