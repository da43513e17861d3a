from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from torch.utils.data import DataLoader

from adain.runtime.errors import UserError
from adain.training.guards import NonFiniteGuard, SkippedPictures
from adain.training.last_checkpoint import LastCheckpoint


class Breaking(pl.LightningModule):
    """Its loss is not a number at one batch. Each step adds 0.25 to its weight, and spoils it from there on."""

    def __init__(self, value: float = float("nan"), at: int = 2) -> None:
        super().__init__()
        self.weight, self.value, self.at = torch.nn.Parameter(torch.ones(1)), value, at

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.weight.sum() * (self.value if batch_idx == self.at else -1.0)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        assert self.weight.isfinite(), "the guard comes before a validation"

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.25)


def fit(module: pl.LightningModule, folder: Path, *callbacks: pl.Callback, every: int | None, **given: Any) -> None:
    """Train on batches of one pair, 0.jpg with 0.png first."""
    batches = [{"content_name": [f"{i}.jpg"], "style_name": [f"{i}.png"], "skipped": []} for i in range(24)]
    loader: Any = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    settings: dict[str, Any] = {
        "max_steps": 8, "limit_val_batches": 0, "enable_checkpointing": any(isinstance(c, Checkpoint) for c in callbacks),
    }  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        default_root_dir=folder, callbacks=[NonFiniteGuard(every), *callbacks], **{**settings, **given},
    )  # fmt: skip
    trainer.fit(module, loader, loader)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kept", [None, "last.ckpt"])
def test_a_loss_that_is_no_number_stops_the_run_before_it_reaches_the_weights(
    value: float, kept: str | None, tmp_path: Path
) -> None:
    """On a CPU."""
    said = "there is no checkpoint yet"
    if kept:
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / kept).touch()
        said = f"the last good checkpoint is {tmp_path / 'checkpoints' / kept}"
    module = Breaking(value)
    with pytest.raises(UserError, match=rf"the loss is {value} at step 2 on the batch 2.jpg with 2.png: {said}; lower"):
        fit(module, tmp_path, every=None)
    assert module.weight.item() == 1.5


class Counted(NonFiniteGuard):
    """Notes at which step it looks."""

    def __init__(self, every: int | None) -> None:
        super().__init__(every)
        self.looks: list[int] = []

    def _read(self, trainer: pl.Trainer) -> None:
        if self._unread:
            self.looks.append(trainer.global_step)
        super()._read(trainer)


@pytest.mark.parametrize(("at", "seen"), [(0, 4), (3, 4), (4, 8), (7, 8), (9, 10)])
def test_losses_are_read_together_and_the_step_that_went_bad_is_named(at: int, seen: int, tmp_path: Path) -> None:
    """Of ten steps the last two are read at the end of the run."""
    module = Breaking(at=at)
    with pytest.raises(UserError, match=f"the loss is nan at step {at} on the batch {at}.jpg with {at}.png"):
        fit(module, tmp_path, every=4, max_steps=10)
    assert module.trainer.global_step == seen


def test_losses_are_read_no_oftener_than_they_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Counted(3)
    monkeypatch.setattr("tests.training.test_guards.NonFiniteGuard", lambda every: guard)
    fit(Breaking(at=-1), tmp_path, every=3, accumulate_grad_batches=2)
    assert guard.looks == [3, 6, 8]


@pytest.mark.parametrize("at", [6, 7])
def test_with_accumulation_the_optimizer_step_is_named(at: int, tmp_path: Path) -> None:
    module = Breaking(at=at)
    with pytest.raises(UserError, match=f"the loss is nan at step 3 on the batch {at}.jpg with {at}.png"):
        fit(module, tmp_path, every=4, accumulate_grad_batches=2)
    assert module.trainer.global_step == 4


@pytest.mark.parametrize("at", [0, 3, 4, 6, 7])
def test_no_checkpoint_holds_what_a_bad_loss_made_of_the_weights(at: int, tmp_path: Path) -> None:
    """Though losses are read every 100 steps. One is written every second step, and at the end."""
    last = LastCheckpoint(str(tmp_path / "checkpoints"), every_n_steps=2)
    any_ = ModelCheckpoint(tmp_path / "checkpoints", "{step}", save_top_k=-1, every_n_train_steps=3)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match=f"the loss is nan at step {at} "):
        fit(Breaking(at=at), tmp_path, last, any_, every=100)
    written = {path.name: torch.load(path, weights_only=True) for path in (tmp_path / "checkpoints").glob("*.ckpt")}
    assert all(checkpoint["state_dict"]["weight"].isfinite() for checkpoint in written.values())
    assert ("last.ckpt" in written) == (at >= 2)
    if at >= 2:
        assert written["last.ckpt"]["global_step"] == at - at % 2


def test_no_validation_is_made_of_spoiled_weights(tmp_path: Path) -> None:
    module = Breaking(at=5)
    with pytest.raises(UserError, match="the loss is nan at step 5 "):
        fit(module, tmp_path, every=100, limit_val_batches=1, val_check_interval=3)
    assert module.trainer.global_step == 6


def test_each_skipped_picture_is_listed_once(tmp_path: Path) -> None:
    skipped = SkippedPictures(str(tmp_path))
    module: Any = SimpleNamespace(log=lambda *args, **kwargs: None)
    for _ in range(3):
        skipped.on_train_batch_end(None, module, None, {"skipped": ["x.jpg: empty", "caf\udce9.jpg: truncated"]}, 0)  # type: ignore[arg-type]
    assert (tmp_path / "skipped.txt").read_text("utf-8", "surrogateescape").splitlines() == [
        "x.jpg: empty",
        "caf\udce9.jpg: truncated",
    ]
