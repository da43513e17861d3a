"""The networks that ``make compare`` lacks: trained here, small, by the experiments' own recipes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adain.cli.preflight.compose import preflight
from adain.cli.preflight.nested import composed, hydra_set_aside
from adain.cli.preflight.training import check_files
from adain.cli.train import train
from adain.evaluation.paper.request import ABLATIONS
from adain.evaluation.paper.training import LabeledBar, described, finished
from adain.runtime.errors import InputError, UserError
from adain.runtime.quoting import quote


class Trainings:
    """What ``make compare`` trains, and how.

    Args:
        keys: Those of ``conf/inference/compare.yaml``.
        device: The type of the device.
    """

    def __init__(self, keys: Mapping[str, Any], device: str) -> None:
        self.keys, self.device = keys, device

    def check(self, name: str, style: Path | None, folder: Path) -> None:
        """Compose a training and check it as ``make train`` does, to no other end.

        Raises:
            UserError: If one of the user's overrides cannot be used.
        """
        with hydra_set_aside():
            try:
                check_files(preflight("train", self._overrides(name, style, folder, name)))
            except InputError as error:
                given = ",".join(map(str, self.keys["training"]))
                raise UserError(f"training=[{given}] cannot be used for {name}: {error}") from None

    def train(self, name: str, style: Path | None, folder: Path) -> tuple[Path, str]:
        """Train a network: see ``evaluation.paper.work.Trainer``."""
        last = folder / "checkpoints" / "last.ckpt"
        with composed("train", self._overrides(name, style, folder.parent, folder.name), folder) as config:
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

    def _overrides(self, name: str, style: Path | None, logs: Path, label: str) -> list[str]:
        """Return a training's overrides: the recipe, what the user gives, and a bar with its label."""
        keys, steps = self.keys, self.keys["steps"]["ablations" if name in ABLATIONS else name]
        special: Sequence[str] = (
            f"model.start_pictures={keys['start_pictures']}",
            f"model.start_patches={keys['start_patches']}",
        )
        if style is not None:
            losses = keys["losses"]
            special = (
                f"model.style={quote(str(style))}", f"model.measure={losses['measure']}", f"model.style_size={losses['size']}"
            )  # fmt: skip
        return [
            f"experiment={'quickstart' if name == 'baseline' else name}", f"logs={quote(str(logs))}", f"seed={keys['seed']}",
            f"trainer={'gpu' if self.device == 'cuda' else 'cpu'}", f"trainer.max_steps={steps}",
            f"trainer.val_check_interval={steps}", "trainer.log_every_n_steps=1", "data.val_size=96", "compare_with=null",
            *special, *map(str, keys["training"]), "logger=csv",
            f"callbacks.progress._target_={LabeledBar.__module__}.{LabeledBar.__name__}", f"+callbacks.progress.label={label}",
        ]  # fmt: skip
