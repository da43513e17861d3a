"""Two real processes train together, and end together."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import seed_everything

from adain.data.picture import to_picture
from adain.nn.decoder import Decoder
from tests.helpers.runners import Run, command, start, train, wait_for
from tests.helpers.settings import QUICK

pytestmark = pytest.mark.slow

SMALL = [
    *QUICK, "model.widths=[64,128,256]", "data.num_workers=1", "data.val_pairs=3", "seed=5", "optimizer.lr=1e-2",
    "data.crop=32", "data.resize=40", "data.val_size=32", "logger=wandb",
]  # fmt: skip
TWO = ["strategy=ddp", "trainer.devices=2", "data.batch_size=2"]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("whole", "shares"):
        (tmp_path / name).mkdir()


def figures(run: Run) -> list[dict[str, float]]:
    with next(run.folder.glob("csv/*/metrics.csv")).open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cwd = tmp_path_factory.mktemp("two")
    done = command("train", *SMALL, *TWO, "logger=wandb", "optimizer=muon", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return Run((cwd / "logs" / "latest").resolve(), 0, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = train(tmp_path_factory.mktemp("one"), *SMALL, "data.batch_size=4", "logger=csv", "optimizer=muon")
    assert run.code == 0, run.err
    return run


def start_of_all() -> dict[str, torch.Tensor]:
    """The decoder that every run of this seed begins with."""
    seed_everything(5, workers=True, verbose=False)
    return {f"decoder.{name}": weight for name, weight in Decoder().state_dict().items()}


def assert_alike(found: Run, whole: Run, before: dict[str, torch.Tensor], least: float, apart: float) -> None:
    """Both have moved by ``least`` of the weights before, and are ``apart`` by less than that share of the way."""
    for name, weight in found.decoder().items():
        moved = whole.decoder()[name] - before[name]
        assert moved.norm() > least * before[name].norm(), name
        assert (weight - whole.decoder()[name]).norm() < apart * moved.norm(), name


def test_two_ranks_of_two_learn_what_one_of_four_learns(two: Run, one: Run, tmp_path: Path) -> None:
    """Fails if ranks see the same pairs, or start from different decoders.

    Muon and Adam take a gradient's direction only, and so amplify what it hardly has: two orders of addition are 0.008 apart
    after a step and up to 0.1 after four, more or less by processor; ranks with the same pairs 0.8.
    """
    step = [*SMALL, "optimizer=muon", "logger=none", "trainer.max_steps=1", "trainer.val_check_interval=1"]
    for name in ("two", "one"):
        (tmp_path / name).mkdir()
    done = command("train", *step, *TWO, cwd=tmp_path / "two")
    assert done.returncode == 0, done.stderr
    first = Run((tmp_path / "two" / "logs" / "latest").resolve(), 0, done.stdout, done.stderr)
    assert_alike(first, train(tmp_path / "one", *step, "data.batch_size=4"), start_of_all(), 1e-3, 0.01)
    assert_alike(two, one, start_of_all(), 1e-3, 0.2)


def test_the_logged_losses_are_those_of_all_ranks(two: Run, one: Run) -> None:
    rows = [(a, b) for a, b in zip(figures(two), figures(one), strict=True)]
    assert sum("train/loss" in a for a, _ in rows) == 4
    for a, b in rows:
        for name in ("train/loss", "train/content", "train/style", "val/loss", "val/content"):
            if name in b:
                assert a[name] == pytest.approx(b[name], rel=1e-3), name


def test_one_folder_one_wandb_run_one_report(two: Run) -> None:
    assert [p.name for p in two.folder.parent.iterdir()] == [two.folder.name]
    assert len(list((two.folder / "wandb").glob("offline-run-*"))) == 1
    assert two.out.count("held-out losses") == two.out.count("run: ") == 1
    assert two.err.count("Traceback") == 0


def test_the_summary_counts_all_ranks(two: Run) -> None:
    assert (two.summary["world_size"], two.summary["batch"], two.summary["lr"]) == (2, 4, 1e-2)
    assert two.checkpoint()["StyleTransferDataModule"]["pairs"] == 16


def test_shares_of_a_decoder_learn_what_a_whole_one_learns(tmp_path: Path) -> None:
    """Also over a resumption: Adam's state comes back into the shares."""
    adam = [
        *SMALL,
        "optimizer=adam",
        "optimizer.lr=1e-3",
        "optimizer.schedule=constant",
        "logger=none",
        "data.num_workers=0",
    ]
    whole = train(tmp_path / "whole", *adam, "data.batch_size=4")
    first = command("train", *adam, *TWO, "strategy=fsdp", "trainer.max_steps=2", cwd=tmp_path / "shares")
    assert first.returncode == 0, first.stderr
    second = command("train", "ckpt=last", "trainer.max_steps=4", cwd=tmp_path / "shares")
    assert second.returncode == 0, second.stderr
    shares = Run((tmp_path / "shares" / "logs" / "latest").resolve(), 0, second.stdout, second.stderr)
    assert shares.checkpoint()["global_step"] == 4
    # Adam divides by gradients of any size, so noise of the last digit is not small where they are almost 0
    assert_alike(shares, whole, start_of_all(), 1e-3, 0.2)


def test_sigterm_to_the_launcher_then_resume_is_as_if_uncut(tmp_path: Path) -> None:
    """The launcher alone is told. The step after the cut is held against that of one process with the whole batch."""
    steady = [*SMALL, "logger=none", "optimizer=muon", "optimizer.schedule=constant", "optimizer.warmup_steps=0"]
    process = start(tmp_path / "shares", *steady, *TWO, "trainer.max_steps=400")
    last = tmp_path / "shares" / "logs" / "latest" / "checkpoints" / "last.ckpt"
    wait_for(last, 300)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    cut = Run(last.resolve().parents[1], 143, out, err)
    assert cut.summary["status"] == "preempted"
    before, step = cut.decoder(), cut.checkpoint()["global_step"]
    assert cut.checkpoint()["StyleTransferDataModule"]["pairs"] == 4 * step

    copy = shutil.copytree(cut.folder, tmp_path / "whole" / "run")  # noise of the steps before the cut is in both
    done = command("train", "ckpt=last", f"trainer.max_steps={step + 1}", cwd=tmp_path / "shares")
    assert done.returncode == 0, done.stderr
    resumed = Run(cut.folder, 0, done.stdout, done.stderr)
    alone = ["strategy=single", "trainer.devices=1", "data.batch_size=4"]
    whole = train(tmp_path / "whole", f"ckpt={copy}", *alone, f"trainer.max_steps={step + 1}")
    assert whole.code == 0, whole.err
    whole.folder = copy
    assert resumed.checkpoint()["global_step"] == whole.checkpoint()["global_step"] == step + 1
    assert_alike(resumed, whole, before, 1e-4, 0.02)


def test_a_killed_rank_ends_the_job_with_one_sentence(tmp_path: Path) -> None:
    process = start(tmp_path, *SMALL, *TWO, "logger=none", "trainer.max_steps=400")
    last = tmp_path / "logs" / "latest" / "checkpoints" / "last.ckpt"
    wait_for(last, 300)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.strip().splitlines()[-1].startswith("error: rank 1 of 2 was ended by SIGKILL")
    assert "ckpt=" in err.strip().splitlines()[-1]
    run = Run(last.resolve().parents[1], 1, "", err)
    assert run.summary["status"] == "failed"
    assert run.checkpoint()["global_step"] >= 2


def test_a_users_mistake_in_the_ranks_is_said_once(tmp_path: Path) -> None:
    done = command("train", *SMALL, *TWO, "logger=none", "optimizer.lr=1e30", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("error: the loss is") == 1
    assert "Traceback" not in done.stderr


def test_a_sweep_starts_each_job_once(tmp_path: Path) -> None:
    """Lightning's own launcher would start the whole sweep again in rank 1."""
    sweep = tmp_path / "sweep"
    done = command(
        "train", "--multirun", f"hydra.sweep.dir={sweep}", *SMALL, *TWO, "logger=wandb", "model.style_weight=1,5", cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "logs" / "runs").exists()
    for number, weight in enumerate((1, 5)):
        job = sweep / str(number)
        summary = json.loads((job / "summary.json").read_text())
        assert (summary["status"], summary["steps"], summary["world_size"]) == ("finished", 4, 2)
        assert OmegaConf.load(job / ".hydra" / "config.yaml").model.style_weight == weight
        assert len(list((job / "wandb").glob("offline-run-*"))) == 1
    assert done.stdout.count("held-out losses") == 2


def test_what_a_method_keeps_beside_its_weights_is_the_same_on_every_rank(tmp_path: Path) -> None:
    """A texture network's style is read by rank 0, and under FSDP Lightning sends no buffers to the others."""
    to_picture(torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))).save(tmp_path / "style.png")
    texture = [
        "model=texture_network", f"model.style={tmp_path}/style.png", "data=synthetic", "data.val_size=32", "data.crop=32",
        "data.resize=40", "data.val_pairs=2", "data.num_workers=0", "trainer.max_steps=1", "trainer.val_check_interval=1",
        "model.width=4", "model.blocks=1", "logger=csv", "trainer.accelerator=cpu", "trainer.precision=32-true",
        "optimizer=adam",
        "trainer.log_every_n_steps=1",
    ]  # fmt: skip
    whole = train(tmp_path / "whole", *texture, "data.batch_size=4")
    done = command("train", *texture, *TWO, "strategy=fsdp", cwd=tmp_path / "shares")
    assert done.returncode == 0, done.stderr
    two = Run((tmp_path / "shares" / "logs" / "latest").resolve(), 0, done.stdout, done.stderr)
    first, wanted = ([row["train/style"] for row in figures(run) if "train/style" in row] for run in (two, whole))
    assert first == pytest.approx(wanted, rel=1e-2)  # a mean over the ranks


def test_ranks_accumulate_batches(tmp_path: Path) -> None:
    """Two ranks of two batches of one take the step of one of four."""
    step = [*SMALL, "optimizer=muon", "logger=none", "trainer.max_steps=1", "trainer.val_check_interval=1"]
    accumulating = ["strategy=ddp", "trainer.devices=2", "data.batch_size=1", "trainer.accumulate_grad_batches=2"]
    done = command("train", *step, *accumulating, cwd=tmp_path / "shares")
    assert done.returncode == 0, done.stderr
    two = Run((tmp_path / "shares" / "logs" / "latest").resolve(), 0, done.stdout, done.stderr)
    assert_alike(two, train(tmp_path / "whole", *step, "data.batch_size=4"), start_of_all(), 1e-3, 0.01)
