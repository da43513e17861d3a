"""One smoke run, looked at from all sides; and every configuration composed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from adain.data.picture import to_picture
from adain.methods.adain import AdaINMethod
from adain.methods.load import load_method
from adain.training.run import write_pairs
from tests.helpers.forked import Forked
from tests.helpers.runners import Run, train
from tests.helpers.settings import QUICK, configs

ABLATIONS = {"concat": {"transfer": "concat"}, "bn_decoder": {"norm": "batch"}, "in_decoder": {"norm": "instance"}}


def test_it_ends_well_and_says_where_things_are(smoke: Run) -> None:
    assert smoke.code == 0, smoke.err
    for word in ("checkpoints", "pictures", "next          make stylize content=FILE style=FILE"):
        assert word in smoke.out
    assert "W&B: nobody is logged in" in smoke.out + smoke.err
    assert "Traceback" not in smoke.err


def test_the_bar_knows_the_number_of_steps(smoke: Run) -> None:
    assert "of 6 steps" in smoke.out


def test_summary_has_what_the_design_names(smoke: Run) -> None:
    summary = smoke.summary
    assert summary["status"] == "finished"
    assert summary["steps"] == 6
    assert [row["step"] for row in summary["history"]] == [0, 3, 6]
    assert summary["best"]["val/loss"] == min(row["val/loss"] for row in summary["history"][1:])
    for key in ("final", "pairs_per_second", "peak_memory_mib", "versions", "git_commit", "precision"):
        assert summary[key], key
    assert summary["first_step_seconds"] > 0
    assert {"val/content", "val/style", "val/style_relu1_1", "val/style_relu4_1"} <= set(summary["final"])


def test_the_checkpoint_is_plain_and_without_the_encoder(smoke: Run) -> None:
    checkpoint = smoke.checkpoint()  # weights_only=True
    assert all(key.startswith("decoder.") for key in checkpoint["state_dict"])
    assert checkpoint["method"] == "adain"
    assert checkpoint["hyper_parameters"]["encoder"] == "vgg19_normalized"
    assert checkpoint["StyleTransferDataModule"]["pairs"] == 12


def test_grids_of_the_same_pairs_at_every_validation(smoke: Run) -> None:
    grids = sorted((smoke.folder / "samples").glob("*.png"))
    assert [grid.name for grid in grids] == ["step_000000.png", "step_000003.png", "step_000006.png"]
    first, last = Image.open(grids[0]), Image.open(grids[-1])
    assert first.size == last.size == (3 * 64 + 2 * 4, 18 + 2 * 64 + 4)
    left = (0, 0, 2 * 64 + 4, first.height)
    assert first.crop(left).tobytes() == last.crop(left).tobytes(), "content and style stay"
    assert first.tobytes() != last.tobytes(), "outputs change"


def test_csv_beside_wandb(smoke: Run) -> None:
    with (smoke.folder / "csv" / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {
        "train/loss",
        "train/content",
        "train/style_relu3_1",
        "train/lr",
        "train/pairs_per_second",
        "train/peak_memory_mib",
        "val/loss",
    } <= set(rows[0])
    assert sum(bool(row["train/loss"]) for row in rows) == 6


def test_wandb_run_reads_back_with_leet(smoke: Run) -> None:
    process = Forked(
        ["-m", "wandb", "leet", "inspect", "--summary", "--json", str(smoke.folder / "wandb")], smoke.folder
    )
    assert process.wait() == 0, process.err
    text = process.out.decode()
    json.loads(text)
    for word in ("val/style", "train/content", "style_weight", "pictures", "git_commit", "best/"):
        assert word in text, word


def test_held_out_pairs_are_named_in_the_run(smoke: Run) -> None:
    with (smoke.folder / "held_out.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["content", "style"]
    assert len(rows) == 3


def test_other_held_out_pairs_in_the_same_run_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "held_out.csv"
    for names, said in (([("a", "b")], False), ([("a", "b")], False), ([("a", "c\udce9, d")], True)):
        write_pairs(path, names)
        assert ("are not those in" in capsys.readouterr().out) is said
    with path.open(newline="", errors="surrogateescape") as file:
        assert list(csv.reader(file)) == [["content", "style"], ["a", "c\udce9, d"]]


def stylizes(method: Any) -> None:
    picture = torch.rand(1, 3, 33, 36)
    assert method.stylize(picture, method.encode_style(picture)).shape == picture.shape


OTHERS = [path for path in configs("experiment") if path.stem != "smoke"]  # above, in full


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_every_experiment_trains_a_step(path: Path, tmp_path: Path) -> None:
    """Each recipe for real, on small made-up pictures where its own would not be at hand."""
    small = [
        "trainer.max_steps=1", "trainer.val_check_interval=1", "data.batch_size=1", "data.val_size=16", "data.crop=16",
        "data.resize=20", "data.val_pairs=1", "data.num_workers=0", "logger=none", "compare_with=null",
        "trainer.accelerator=cpu", "trainer.enable_progress_bar=false",
    ]  # fmt: skip
    if path.stem != "quickstart":
        small.append("data=synthetic")
    if path.stem in ("quickstart", "style_swap"):
        small += ["model.start_pictures=2", "model.start_patches=200"]
    if path.stem in ABLATIONS:
        small.append("model.init=random")  # their start has a test of its own
    if path.stem == "texture_network":
        to_picture(torch.rand(3, 40, 40)).save(tmp_path / "style.png")
        small += [f"model.style={tmp_path}/style.png", "model.width=4", "model.blocks=1"]
    run = train(tmp_path, f"experiment={path.stem}", *small)
    assert run.code == 0, run.err
    assert "training:" not in run.err
    assert run.summary["steps"] == 1
    loaded = load_method(None, run.folder / "checkpoints" / "best.ckpt", "cpu")
    stylizes(loaded)
    if path.stem in ABLATIONS:
        assert ABLATIONS[path.stem].items() <= run.checkpoint()["hyper_parameters"].items()


def test_finetuning_starts_from_the_shipped_decoder_which_is_named_beside_it(tmp_path: Path) -> None:
    run = train(
        tmp_path, "experiment=finetune", "data=synthetic", "data.val_size=32", "data.crop=32", "data.resize=40",
        "data.val_pairs=2", "data.batch_size=1", "data.num_workers=0", "trainer.max_steps=1", "trainer.val_check_interval=1",
        "logger=none", "trainer.accelerator=cpu", "compare_with=shipped",
    )  # fmt: skip
    assert run.code == 0, run.err
    start, shipped = run.summary["history"][0], run.summary["reference"]
    assert start["val/content"] == pytest.approx(shipped["content"], rel=1e-4)
    assert start["val/style"] == pytest.approx(shipped["style"], rel=1e-4)
    assert "shipped decoder " in run.out


def test_a_method_takes_its_own_recipe_and_shows_its_one_style(tmp_path: Path) -> None:
    to_picture(torch.rand(3, 40, 40)).save(tmp_path / "style.png")
    run = train(
        tmp_path, "model=texture_network", f"model.style={tmp_path}/style.png", "data=synthetic", "data.val_size=32",
        "data.crop=32", "data.resize=40", "data.val_pairs=2", "data.num_workers=0", "trainer.max_steps=2",
        "trainer.val_check_interval=1", "model.width=4", "model.blocks=1", "logger=none", "trainer.accelerator=cpu",
        "compare_with=reference",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert run.folder.parent.name == "texture_network"
    with (run.folder / "held_out.csv").open() as file:
        assert {Path(style).name for _, style in list(csv.reader(file))[1:]} == {"style.png"}
    assert "compare_with=reference is skipped" in run.out + run.err
    assert "make stylize model=texture_network content=FILE" in run.out
    again = train(tmp_path, "ckpt=last", "trainer.max_steps=3")
    assert again.code == 0, again.err
    assert again.summary["steps"] == 3


def test_a_run_that_goes_on_keeps_its_recorded_precision(tmp_path: Path) -> None:
    """Another machine would choose another: this one's choice is swapped in the record."""
    words = ["trainer.precision=auto", "trainer.max_steps=1", "trainer.val_check_interval=1", "data.batch_size=1"]
    run = train(tmp_path, *QUICK, *words)
    assert run.code == 0, run.err
    other = {"32-true": "bf16-mixed", "bf16-mixed": "32-true"}[run.summary["precision"]]
    (run.folder / "summary.json").write_text(json.dumps({**run.summary, "precision": other}))
    again = train(tmp_path, "ckpt=last", "trainer.max_steps=2")
    assert again.code == 0, again.err
    assert again.summary["precision"] == other
    assert f"precision {other}" in again.out


def test_a_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    runs = []
    for folder, seed in (("one", 5), ("again", 5), ("other", 6)):
        (tmp_path / folder).mkdir()
        runs.append(train(tmp_path / folder, *QUICK, "trainer.max_steps=2", f"seed={seed}"))
        assert runs[-1].code == 0, runs[-1].err
    one, again, other = (torch.cat([w.flatten() for w in run.decoder().values()]) for run in runs)
    assert torch.equal(one, again)
    assert torch.isclose(one, other).float().mean() < 0.01


def test_the_smoke_runs_checkpoint_loads_into_lightning(smoke: Run) -> None:
    loaded = AdaINMethod.load_from_checkpoint(smoke.folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert isinstance(loaded, pl.LightningModule)
    assert torch.equal(loaded.decoder.conv1_1.bias, smoke.decoder("best")["decoder.conv1_1.bias"])
    stylizes(load_method(None, smoke.folder / "checkpoints" / "best.ckpt", "cpu"))


def test_a_compiler_that_fails_is_said_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiler(function: Any, **options: Any) -> Any:
        def fail(*args: Any) -> Any:
            raise RuntimeError("no C++ compiler found")

        return fail

    monkeypatch.setattr(torch, "compile", compiler)
    with pytest.warns(RuntimeWarning, match="compile=true has no effect.*no C.. compiler found") as said:
        run = train(tmp_path, *QUICK, "compile=true", "trainer.max_steps=2")
    assert run.code == 0, run.err
    assert len([w for w in said if "has no effect" in str(w.message)]) == 1
    assert run.summary["steps"] == 2


def test_the_scaled_rate_is_the_one_used_and_told(tmp_path: Path) -> None:
    """Batches of 2, two of them a step, a rate meant for 1: four times the rate."""
    run = train(
        tmp_path, "experiment=smoke", "model.init=random", "data.crop=32", "data.resize=40", "data.val_size=32",
        "data.num_workers=0", "logger=csv", "trainer.max_steps=1", "trainer.accumulate_grad_batches=2",
        "optimizer.schedule=constant", "trainer.val_check_interval=2", "optimizer.lr=1e-4", "optimizer.scale_lr=linear",
        "optimizer.lr_batch=1",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert (run.summary["batch"], run.summary["lr"]) == (4, pytest.approx(4e-4))
    assert run.checkpoint()["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(4e-4)
