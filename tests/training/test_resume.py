"""A run that was cut and goes on ends as if it had never been cut: bit for bit, on a CPU, with loader workers."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from adain.methods.adain import AdaINMethod
from adain.training import last_checkpoint as resumable
from tests.helpers import stopping
from tests.helpers.forked import Forked
from tests.helpers.runners import Run, latest_run, run_here, train
from tests.helpers.settings import QUICK, ROOT

SMALL = [
    *QUICK, "model.widths=[32,64,128]", "optimizer=muon", "seed=5", "trainer.max_steps=6", "data.num_workers=2", "logger=csv",
]  # fmt: skip


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = train(tmp_path_factory.mktemp("uncut"), *SMALL)
    assert run.code == 0, run.err
    return run


def same_decoder(a: Run, b: Run) -> bool:
    one, other = a.decoder(), b.decoder()
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def assert_as_if_never_cut(resumed: Run, uncut: Run) -> None:
    assert resumed.code == 0, resumed.err
    assert resumed.summary["status"] == "finished"
    assert resumed.checkpoint()["global_step"] == 6
    assert same_decoder(uncut, resumed)
    assert resumed.summary["history"] == uncut.summary["history"]
    assert resumed.summary["best"] == uncut.summary["best"]
    assert best_score(resumed) == best_score(uncut)


@pytest.mark.parametrize(
    ("place", "step", "kept"),
    [("batch", 4, 4), ("batch", 5, 5), ("validation", 4, 5), ("batch", 6, 6)],
    ids=["before a validation", "beside one", "in one", "at the last step"],
)
def test_told_to_stop_and_resumed_is_as_if_never_cut(
    place: stopping.Place, step: int, kept: int, uncut: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forgetting the position in the streams, the optimizer, the rate, the seed or a validation fails here."""
    stopping.stop_at(monkeypatch, place, step)
    cut = train(tmp_path, *SMALL, stopping.TARGET)
    assert cut.code == 143, cut.err
    assert cut.checkpoint()["global_step"] == cut.summary["steps"] == kept
    assert cut.summary["status"] == ("preempted" if kept < 6 else "finished")
    assert "make train ckpt=last" in cut.out
    stopping.go_on(monkeypatch)
    resumed = train(tmp_path, "ckpt=last")
    assert resumed.folder == cut.folder
    assert_as_if_never_cut(resumed, uncut)


@pytest.mark.parametrize(
    ("place", "step", "kept"),
    [pytest.param("validation", 4, 4, marks=pytest.mark.slow), ("validation", 6, 4)],
    ids=["in a validation", "in the last one"],
)
def test_killed_and_resumed_is_as_if_never_cut(
    place: stopping.Place, step: int, kept: int, uncut: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping.stop_at(monkeypatch, place, step, signal.SIGKILL)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where its callback is
    process = Forked(["-m", "adain.cli.train", *SMALL, stopping.TARGET], tmp_path)
    assert process.wait() == -signal.SIGKILL, process.err
    cut = Run(latest_run(tmp_path), 0, "", "")
    assert cut.checkpoint()["global_step"] == kept
    stopping.go_on(monkeypatch)
    assert_as_if_never_cut(train(tmp_path, "ckpt=last"), uncut)


@pytest.mark.slow  # test_averaging has the averages, the tests above the resuming
def test_averaged_weights_are_validated_kept_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uncut", "begun", "cut"):
        (tmp_path / name).mkdir()
    settings = [*SMALL, "callbacks=average", "callbacks.average.decay=0.5", "data.num_workers=0"]
    uncut = train(tmp_path / "uncut", *settings)
    assert uncut.code == 0, uncut.err
    kept = uncut.checkpoint()
    assert any(not torch.equal(kept["state_dict"][name], now) for name, now in kept["current_model_state"].items())

    best = uncut.folder / "checkpoints" / "best.ckpt"
    begun = train(tmp_path / "begun", *settings, f"model.init={best}", "trainer.max_steps=1")
    assert begun.summary["history"][0]["val/loss"] == pytest.approx(uncut.summary["best"]["val/loss"], rel=1e-6)

    stopping.stop_at(monkeypatch, "batch", 5)
    cut = train(tmp_path / "cut", *settings, stopping.TARGET)
    assert cut.code == 143, cut.err
    stopping.go_on(monkeypatch)
    resumed = train(tmp_path / "cut", "ckpt=last")
    assert_as_if_never_cut(resumed, uncut)
    for name, weights in kept["current_model_state"].items():
        assert torch.equal(resumed.checkpoint()["current_model_state"][name], weights)


def best_score(run: Run) -> float:
    """What a resumed run's validations are held against."""
    state = next(state for key, state in run.checkpoint()["callbacks"].items() if key.startswith("ModelCheckpoint"))
    return float(state["best_model_score"])


def test_the_last_checkpoint_knows_the_best_of_its_own_step(uncut: Run) -> None:
    """Else a run that goes on replaces a better ``best.ckpt`` by its next one."""
    assert uncut.summary["best"]["step"] == uncut.checkpoint()["global_step"] == 6
    assert best_score(uncut) == pytest.approx(uncut.summary["best"]["val/loss"])


@pytest.mark.parametrize("steps", [2, 3])
def test_a_lengthened_run_logs_every_step_once(steps: int, tmp_path: Path) -> None:
    """Whether it ended at the interval of its validations, of two steps, or beside it."""
    first = train(tmp_path, *SMALL, "trainer.log_every_n_steps=1", f"trainer.max_steps={steps}", "data.num_workers=0")
    assert first.code == 0, first.err
    assert best_score(first) == pytest.approx(first.summary["best"]["val/loss"])
    longer = train(tmp_path, "ckpt=last", "trainer.max_steps=6")
    assert longer.code == 0, longer.err
    logged = []
    for path in sorted(longer.folder.glob("csv/*/metrics.csv")):
        with path.open(newline="") as file:
            logged += [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert logged == list(range(6))


def files(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder but locks, which hold nothing."""
    paths = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def copy(uncut: Run, cwd: Path) -> Path:
    """The run in another folder, where ``logs/latest`` is another one still."""
    folder = cwd / "logs" / "runs" / "smoke" / "copy"
    shutil.copytree(uncut.folder, folder)
    (cwd / "logs" / "newer").mkdir()
    (cwd / "logs" / "latest").symlink_to(cwd / "logs" / "newer")
    return folder


def assert_refused_untouched(cwd: Path, folder: Path, words: tuple[str, ...], *says: str) -> None:
    before = files(folder)
    code, _, err = run_here("train", cwd, f"ckpt={folder}", "trainer.max_steps=8", *words)
    assert code == 1
    message = err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    for text in says:
        assert text in message
    assert "Traceback" not in err
    assert files(folder) == before
    assert (cwd / "logs" / "latest").resolve() == (cwd / "logs" / "newer").resolve()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("seed=6",), ("seed=5", "seed=6", "model.init=")),
        (("model.widths=[16,32,64]",), ("model.widths=[32,64,128]", "model.widths=[16,32,64]", "model.init=")),
        (("model.style_weight=3",), ("model.style_weight=10", "model.style_weight=3")),
        (("optimizer.lr=1e-4",), ("optimizer.lr=5e-05", "optimizer.lr=0.0001")),
        (("optimizer=adam",), ("optimizer=muon", "optimizer=adam")),
        (("optimizer.betas=[0,0.9]",), ("optimizer.betas=[0,0.9]",)),
        (("data.crop=64", "data.resize=64"), ("data.resize=20, data.crop=16", "data.resize=64, data.crop=64")),
        (("data.val_pairs=4",), ("data.val_pairs=4",)),
        (("data=sample",), ("data=synthetic", "data=sample")),
        (("experiment=quickstart",), ("data=synthetic", "data=sample", "model.init=")),
        (("monitor.metric=val/style",), ("monitor.metric=val/style",)),
    ],
    ids=lambda value: value[0].partition("=")[0] if isinstance(value, tuple) else None,
)
def test_what_would_make_it_another_run_is_refused_and_nothing_is_touched(
    words: tuple[str, ...], says: tuple[str, ...], uncut: Run, tmp_path: Path
) -> None:
    assert_refused_untouched(tmp_path, copy(uncut, tmp_path), words, *says)


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_cut_checkpoint_is_refused_and_nothing_is_touched(size: int, uncut: Run, tmp_path: Path) -> None:
    folder = copy(uncut, tmp_path)
    last = folder / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:size])
    assert_refused_untouched(tmp_path, folder, (), str(last), "cut short", "ckpt=", "best.ckpt")


def test_a_checkpoint_that_fits_the_words_but_not_the_network_is_refused(uncut: Run, tmp_path: Path) -> None:
    """A run's folder whose record was lost."""
    folder = copy(uncut, tmp_path)
    (folder / ".hydra" / "config.yaml").unlink()
    assert_refused_untouched(tmp_path, folder, ("model.widths=[16,32,64]",), "does not fit", "size mismatch")


def test_a_bare_decoder_is_no_checkpoint_of_a_run(uncut: Run, tmp_path: Path) -> None:
    folder = copy(uncut, tmp_path)
    torch.save(uncut.decoder(), folder / "checkpoints" / "last.ckpt")
    assert_refused_untouched(tmp_path, folder, (), "not a checkpoint of a run", "model.init=")


def test_the_record_changes_once_a_step_is_done(uncut: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy(uncut, tmp_path)
    before = files(folder)
    monkeypatch.setattr(AdaINMethod, "training_step", broken)
    with pytest.raises(RuntimeError, match="broke"):
        run_here("train", tmp_path, f"ckpt={folder}", "trainer.max_steps=8", "logger=none")
    assert files(folder) == before
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    code, _, err = run_here("train", tmp_path, f"ckpt={folder}", "trainer.max_steps=8", "logger=none")
    assert code == 0, err
    assert "trainer.max_steps=8" in OmegaConf.load(folder / ".hydra" / "overrides.yaml")
    assert OmegaConf.load(folder / ".hydra" / "config.yaml").trainer.max_steps == 8
    assert (tmp_path / "logs" / "latest").resolve() == folder
    assert Run(folder, code, "", err).summary["steps"] == 8


def test_a_new_run_becomes_the_latest_once_a_step_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = tmp_path / "logs" / "latest"
    (tmp_path / "logs" / "runs" / "before").mkdir(parents=True)
    latest.symlink_to(Path("runs", "before"))
    monkeypatch.setattr(AdaINMethod, "training_step", broken)
    with pytest.raises(RuntimeError, match="broke"):
        run_here("train", tmp_path, *QUICK, "logger=none")
    assert latest.resolve().name == "before"


def broken(*args: Any) -> Any:
    raise RuntimeError("broke")


def test_a_run_without_steps_left_keeps_its_figures(uncut: Run, tmp_path: Path) -> None:
    folder = copy(uncut, tmp_path)
    os.utime(folder / "summary.json", (1e9, 1e9))
    code, out, err = run_here("train", tmp_path, f"ckpt={folder}", "logger=none")
    assert code == 0, err
    assert (folder / "summary.json").stat().st_mtime == 1e9  # decoder=auto takes what was trained last
    assert "Already trained for 6 steps; raise trainer.max_steps to continue" in out
    assert Run(folder, code, out, err).summary == uncut.summary


def test_a_step_of_several_batches_is_cut_between_steps_and_validated_by_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [*SMALL, "trainer.accumulate_grad_batches=3", "data.batch_size=1", "trainer.max_steps=4", "logger=none"]
    folders = [tmp_path / name for name in ("whole", "cut")]
    for folder in folders:
        folder.mkdir()
    whole = train(folders[0], *several)
    assert whole.code == 0, whole.err
    assert [row["step"] for row in whole.summary["history"]] == [0, 2, 4]
    stopping.stop_at(monkeypatch, "batch", 4)  # after the first of the three batches of the second step
    cut = train(folders[1], *several, stopping.TARGET)
    assert cut.code == 143, cut.err
    assert cut.checkpoint()["global_step"] == 2
    stopping.go_on(monkeypatch)
    resumed = train(folders[1], "ckpt=last")
    assert resumed.code == 0, resumed.err
    assert same_decoder(whole, resumed)
    assert resumed.summary["history"] == whole.summary["history"]


def test_ctrl_c_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping.stop_at(monkeypatch, "batch", 3, signal.SIGINT)
    cut = train(tmp_path, *SMALL, "logger=none", stopping.TARGET)
    assert cut.code == 130, cut.err
    assert cut.summary["status"] == "preempted"
    assert cut.checkpoint()["global_step"] == 3


def test_a_finished_run_is_lengthened_with_its_own_configuration(uncut: Run) -> None:
    longer = train(uncut.folder.parents[3], "ckpt=best", "trainer.max_steps=7")
    assert longer.code == 0, longer.err
    assert OmegaConf.load(uncut.folder / ".hydra" / "config.yaml").data.crop == 16
    assert torch.load(uncut.folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 7


def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on file size stands in for a full disk: the write breaks off in the middle."""
    real, (_, hard) = resumable.save_checkpoint, resource.getrlimit(resource.RLIMIT_FSIZE)

    def save(trainer: Any, path: Path) -> None:
        soft = 1 << 20 if trainer.global_step > 2 else hard
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        try:
            real(trainer, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    monkeypatch.setattr(resumable, "save_checkpoint", save)
    run = train(tmp_path, *SMALL, "logger=none", "~callbacks.best")
    assert run.code == 1
    assert run.err.strip().splitlines()[-1].startswith("error: the checkpoint of step 4 could not be written")
    assert "Traceback" not in run.err
    assert run.checkpoint()["global_step"] == 2
    assert run.summary["status"] == "failed"
    assert not list(run.folder.glob("checkpoints/*.part"))


def test_a_non_finite_loss_names_step_pictures_and_checkpoint(tmp_path: Path) -> None:
    run = train(tmp_path, *SMALL, "logger=none", "trainer.val_check_interval=1", "optimizer=adam", "optimizer.lr=1e30")
    assert run.code == 1
    message = run.err.strip().splitlines()[-1]
    assert message.startswith("error: the loss is ")
    assert "content_0" in message
    assert "checkpoint" in message
    assert run.summary["status"] == "failed"
    assert "Traceback" not in run.err


def test_a_checkpoint_of_another_method_is_refused(uncut: Run, tmp_path: Path) -> None:
    other = uncut.checkpoint() | {"method": "gatys"}
    folder = tmp_path / "logs" / "runs" / "x" / "y"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "overrides.yaml").write_text("\n".join(f"- {o}" for o in SMALL))
    torch.save(other, folder / "checkpoints" / "last.ckpt")
    code, _, err = run_here("train", tmp_path, f"ckpt={folder}")
    assert code == 1
    assert "gatys" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
