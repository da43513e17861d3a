"""The networks that ``make compare`` lacks: trained here, small, by the experiments' own recipes."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, flag_override
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm

from adain.cli.preflight.compose import preflight
from adain.cli.preflight.training import check_files
from adain.cli.train import train
from adain.runtime.conf import conf_dir
from adain.runtime.errors import UserError
from adain.training.progress import StepBar


class Bar(StepBar):
    """The bar of one training among several, where standard output is a log file.

    Args:
        label: What is trained.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def init_train_tqdm(self) -> Tqdm:
        """On standard error."""
        return Tqdm(desc=self.label, file=sys.stderr, dynamic_ncols=True, leave=False, smoothing=0, unit="step")

    def init_validation_tqdm(self) -> Tqdm:
        """None: the held-out pictures take a moment."""
        return Tqdm(disable=True)

    def on_train_start(self, trainer: Any, *args: object) -> None:
        """Keeps the label."""
        super().on_train_start(trainer, *args)
        self.train_progress_bar.set_description(f"training {self.label}")


def train_here(folder: Path, label: str, overrides: Sequence[str]) -> tuple[Path, str]:
    """Trains a network into a folder, or goes on with it, or takes it as it is if it is finished.

    Args:
        folder: Of this network.
        label: For the bar.
        overrides: As typed for ``make train``.

    Returns:
        The last checkpoint, and in words how it was trained.

    Raises:
        UserError: If an override is none of ``make train``'s.
    """
    last = folder / "checkpoints" / "last.ckpt"
    with _configured(folder, _with_bar(overrides, label)) as config:
        words = _described(config)
        if _finished(folder) and last.is_file():
            return last, words
        folder.mkdir(parents=True, exist_ok=True)
        config.ckpt = str(last) if last.is_file() else None
        with (folder / "train.log").open("a") as log, contextlib.redirect_stdout(log):
            train(config)
    return last, words


def check_training(name: str, recipe: Sequence[str], given: Sequence[str]) -> None:
    """Composes a training and checks it as ``make train`` does, to no other end.

    Args:
        name: What would be trained.
        recipe: Overrides of ours.
        given: The user's.

    Raises:
        UserError: If one of the user's cannot be used.
    """
    with _ours_kept():
        try:
            check_files(preflight("train", _with_bar([*recipe, *map(str, given)], name)))
        except UserError as error:
            shown = f"[{','.join(map(str, given))}]"
            raise UserError(f"training={shown} cannot be used for {name}: {error}") from None


def _with_bar(overrides: Sequence[str], label: str) -> list[str]:
    return [
        *overrides,
        "logger=csv",
        f"callbacks.progress._target_={Bar.__module__}.Bar",
        f"+callbacks.progress.label={label}",
    ]


def _finished(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "summary.json").read_text())["status"] == "finished")
    except (OSError, ValueError, KeyError):
        return False


def _described(config: DictConfig) -> str:
    steps, data = config.trainer.max_steps, config.data
    start = {"least_squares": ", from a least-squares start"}.get(str(config.model.get("init")), "")
    return f"{steps} steps of batch {data.batch_size} at {data.crop} px{start}"


@contextlib.contextmanager
def _configured(folder: Path, overrides: list[str]) -> Iterator[DictConfig]:
    """The training's configuration in the place of ours, which comes back at the end."""
    with _ours_kept():
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            try:
                config = compose("train", overrides, return_hydra_config=True)
            except Exception as error:
                reason = str(error).splitlines()[0]
                raise UserError(
                    f"training={overrides} cannot be used ({reason}): give overrides of make train"
                ) from None
        config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        with flag_override(config, ["struct", "readonly"], [False, False]):
            config.pop("hydra")
        yield config


@contextlib.contextmanager
def _ours_kept() -> Iterator[None]:
    """Hydra's state is free for another configuration, and ours again at the end."""
    hydra, ours = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = ours
