"""A trial's progress reaches its study, and a poor one is ended."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader

optuna = pytest.importorskip("optuna", reason="optuna comes with the extra `sweep`")

from adain.sweeps.study import prune_trial
from adain.training.pruning import PruneTrial
from adain.training.run_summary import RunSummary


class Falling(pl.LightningModule):
    """Logs the number of its step as the validation loss."""

    method, ablation = "adain", False

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self.weight**2).sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/loss", float(self.global_step))

    def last_losses(self) -> dict[str, torch.Tensor]:
        return {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder: Path, pruner: Any) -> tuple[Any, PruneTrial, dict[str, Any]]:
    study = optuna.create_study(pruner=pruner)
    callback = PruneTrial(study.ask(), "val/loss")
    loader: Any = DataLoader(torch.zeros(6, 1))
    trainer = pl.Trainer(
        max_steps=6, val_check_interval=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder,
        callbacks=[callback, RunSummary(str(folder), {"metric": "val/loss", "mode": "min"})],
    )  # fmt: skip
    module = Falling()
    trainer.validate(module, loader, verbose=False)
    trainer.fit(module, loader, loader)
    return study, callback, json.loads((folder / "summary.json").read_text())


def test_every_validation_of_the_training_is_reported(tmp_path: Path) -> None:
    study, callback, summary = fit(tmp_path, optuna.pruners.NopPruner())
    assert study.trials[0].intermediate_values == {2: 2.0, 4: 4.0, 6: 6.0}
    assert not callback.pruned
    assert summary["status"] == "finished"


def test_a_poor_trial_ends_and_says_so(tmp_path: Path) -> None:
    study, callback, summary = fit(tmp_path, optuna.pruners.ThresholdPruner(upper=3.0))
    assert study.trials[0].intermediate_values == {2: 2.0, 4: 4.0}
    assert callback.pruned
    assert (summary["status"], summary["steps"]) == ("pruned", 4)


def test_the_trial_is_the_jobs_own_and_hears_what_is_monitored(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="s")
    for _ in range(3):
        study.ask()
    hydra = OmegaConf.create(
        {
            "sweep": {"dir": str(tmp_path), "subdir": "1"},
            "sweeper": {"storage": None, "study_name": "s", "pruner": {"_target_": "optuna.pruners.NopPruner"}},
        }
    )
    callback = prune_trial(hydra, "val/style")
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(fn=TrainerFn.FITTING), global_step=2, max_steps=6, is_global_zero=True,
        callback_metrics={"val/loss": torch.tensor(9.0), "val/style": torch.tensor(0.5)},
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision),
    )  # fmt: skip
    callback.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert [trial.intermediate_values for trial in study.trials] == [{}, {2: 0.5}, {}]
