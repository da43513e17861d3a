"""The networks that ``make compare`` lacks: trained here, small, by the experiments' own recipes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from adain.cli.preflight.compose import hydra_set_aside, nested_config, preflight
from adain.cli.preflight.extras import check_extras
from adain.cli.preflight.training import check_files
from adain.cli.train import train
from adain.evaluation.paper.request import Training
from adain.evaluation.paper.training import LabeledBar, described, finished
from adain.runtime.errors import InputError, UserError
from adain.runtime.quoting import quote

_VALIDATIONS = 20  # points of a held-out curve


class Trainings:
    """What ``make compare`` trains on a type of device, and how, by the keys of ``conf/inference/compare.yaml``."""

    def __init__(self, keys: Mapping[str, Any], device: str) -> None:
        self.keys, self.device = keys, device

    def check(self, training: Training, folder: Path) -> None:
        """Compose a training and check it as ``make train`` does, to no other end.

        Raises:
            UserError: If one of the user's overrides cannot be used.
        """
        with hydra_set_aside():
            try:
                config = preflight("train", self._overrides(training, folder)).config
                check_extras("train", config)
                check_files(config)
            except InputError as error:
                key = "recipes.normalization" if training.kind == "normalization" else "training"
                given = ",".join(map(str, OmegaConf.select(OmegaConf.create(dict(self.keys)), key)))
                raise UserError(f"{key}=[{given}] cannot be used for {training.label}: {error}") from None

    def train(self, training: Training, folder: Path) -> tuple[Path, str]:
        """Train a network: see ``evaluation.paper.work.Trainer``."""
        last = folder / "checkpoints" / "last.ckpt"
        with nested_config("train", self._overrides(training, folder.parent), folder) as config:
            words = described(
                config.trainer.max_steps, config.data.batch_size, config.data.crop, config.model.get("init")
            )
            if finished(folder) and last.is_file():
                return last, words
            folder.mkdir(parents=True, exist_ok=True)
            config.ckpt = str(last) if last.is_file() else None
            with (folder / "train.log").open("a") as log, contextlib.redirect_stdout(log):
                train(config)
        return last, words

    def _overrides(self, training: Training, logs: Path) -> list[str]:
        """Return a training's overrides: what makes it this network, the recipe, what the user gives, a labeled bar."""
        keys, steps = self.keys, self.keys["steps"][training.kind]
        given = [*keys["recipes"][training.kind], *(keys["training"] if training.kind != "normalization" else ())]
        return [
            f"experiment={training.experiment}", f"logs={quote(str(logs))}", f"seed={keys['seed']}",
            f"trainer={'gpu' if self.device == 'cuda' else 'cpu'}", f"trainer.max_steps={steps}",
            f"trainer.val_check_interval={max(1, steps // _VALIDATIONS)}", "trainer.log_every_n_steps=1", "data.val_size=96",
            "compare_with=null", *training.overrides, *map(str, given), "logger=csv",
            f"callbacks.progress._target_={LabeledBar.__module__}.{LabeledBar.__name__}",
            f"+callbacks.progress.label={training.label}",
        ]  # fmt: skip
