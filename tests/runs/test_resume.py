"""A run that was cut and goes on ends as if it had never been cut: bit for bit, on a CPU, with loader workers."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from adain.callbacks import resumable
from tests.helpers.runners import Run, run_here, start, train, wait_for
from tests.helpers.settings import QUICK

SMALL = [
    *QUICK, "method.widths=[32,64,128]", "optim=muon", "seed=5", "trainer.max_steps=10", "data.num_workers=2", "logger=csv",
]  # fmt: skip


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = train(tmp_path_factory.mktemp("uncut"), *SMALL)
    assert run.code == 0, run.err
    return run


def same_decoder(a: Run, b: Run) -> bool:
    one, other = a.decoder(), b.decoder()
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_cut_and_resumed_is_bit_identical(how: signal.Signals, uncut: Run, tmp_path: Path) -> None:
    """Forgetting the position in the streams, the optimiser, the rate or the seed fails here."""
    process = start(tmp_path, *SMALL)
    last = tmp_path / "logs" / "latest" / "checkpoints" / "last.ckpt"
    wait_for(last.parents[1] / "samples" / "step_000002.png")
    time.sleep(0.1)  # the summary follows the pictures
    os.killpg(process.pid, how)  # as a scheduler does: the loader workers hear it too
    out, err = process.communicate(timeout=120)
    assert process.returncode == (143 if how == signal.SIGTERM else -9), err
    cut = Run((tmp_path / "logs" / "latest").resolve(), process.returncode, out, err)
    step = cut.checkpoint()["global_step"]
    assert 2 <= step < 10, f"cut at step {step}: too late to show anything"
    if how == signal.SIGTERM:
        assert cut.summary["status"] == "preempted"
        assert cut.summary["steps"] == step
        assert "make train ckpt=last" in out

    resumed = train(tmp_path, "ckpt=last")
    assert resumed.code == 0, resumed.err
    assert resumed.folder == cut.folder
    assert resumed.summary["status"] == "finished"
    assert resumed.checkpoint()["global_step"] == 10
    assert same_decoder(uncut, resumed)
    assert [row["step"] for row in resumed.summary["history"]] == list(range(0, 11, 2))
    for name in ("val/loss", "val/content"):
        assert resumed.summary["final"][name] == uncut.summary["final"][name]


def best_score(run: Run) -> float:
    """What a resumed run's validations are held against."""
    state = next(state for key, state in run.checkpoint()["callbacks"].items() if key.startswith("ModelCheckpoint"))
    return float(state["best_model_score"])


def test_the_last_checkpoint_knows_the_best_of_its_own_step(uncut: Run) -> None:
    """Else a run that goes on replaces a better ``best.ckpt`` by its next one."""
    assert uncut.summary["best"]["step"] == uncut.checkpoint()["global_step"] == 10
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


def test_a_resumed_run_that_cannot_begin_keeps_its_figures(uncut: Run, tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "runs" / "smoke" / "copy"
    shutil.copytree(uncut.folder, folder)
    code, _, err = run_here("train", tmp_path, f"ckpt={folder}", "seed=6", "trainer.max_steps=12")
    assert code == 1
    assert "seed" in err.strip().splitlines()[-1]
    kept = Run(folder, code, "", err).summary
    assert kept["status"] == "failed"
    assert kept["error"].startswith("UserError")
    for key in ("history", "best", "final", "steps"):
        assert kept[key] == uncut.summary[key], key


def test_a_step_of_several_batches_is_cut_between_steps_and_validated_by_steps(tmp_path: Path) -> None:
    several = [*SMALL, "trainer.accumulate_grad_batches=3", "data.batch_size=1", "trainer.max_steps=4", "logger=none"]
    folders = [tmp_path / name for name in ("whole", "cut")]
    for folder in folders:
        folder.mkdir()
    whole = train(folders[0], *several)
    assert whole.code == 0, whole.err
    assert [row["step"] for row in whole.summary["history"]] == [0, 2, 4]
    stop = "+callbacks.stop._target_=tests.runs.test_resume.StopInAStep"
    cut = train(folders[1], *several, stop)
    assert cut.code == 143, cut.err
    assert cut.checkpoint()["global_step"] == 2
    resumed = train(folders[1], "ckpt=last")
    assert resumed.code == 0, resumed.err
    assert same_decoder(whole, resumed)


class StopInAStep(pl.Callback):
    """Tells the run to stop after the first of the three batches of its second step."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def test_ctrl_c_is_as_good(tmp_path: Path) -> None:
    process = start(tmp_path, *SMALL, "logger=none")
    wait_for(tmp_path / "logs" / "latest" / "checkpoints" / "last.ckpt")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert Run((tmp_path / "logs" / "latest").resolve(), 130, out, err).summary["status"] == "preempted"


def test_a_finished_run_is_lengthened_with_its_own_configuration(uncut: Run) -> None:
    longer = train(uncut.folder.parents[3], "ckpt=best", "trainer.max_steps=11")
    assert longer.code == 0, longer.err
    assert OmegaConf.load(uncut.folder / ".hydra" / "config.yaml").data.crop == 32
    assert torch.load(uncut.folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 11


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
    run = train(tmp_path, *SMALL, "logger=none", "trainer.val_check_interval=1", "optim=adam", "optim.lr=1e30")
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
