"""A training among several: its bar, whether it is finished, and how it is described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adain.runtime.progress import Bar
from adain.runtime.run_folder import read_summary
from adain.training.progress import StepBar


class LabeledBar(StepBar):
    """The bar of one training among several, where standard output is a log file."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def init_train_tqdm(self) -> Bar:
        """Return a bar on standard error."""
        return Bar(desc=self.label, dynamic_ncols=True, leave=False, smoothing=0, unit="step")

    def init_validation_tqdm(self) -> Bar:
        """Return a silent bar: the held-out pictures take a moment."""
        return Bar(disable=True)

    def on_train_start(self, trainer: Any, *args: object) -> None:
        """Keep the label."""
        super().on_train_start(trainer, *args)
        self.train_progress_bar.set_description(f"training {self.label}")


def finished(folder: Path) -> bool:
    """Return whether a run came to its end."""
    return bool(read_summary(folder).get("status") == "finished")


def described(steps: int, batch_size: int, crop: int, init: str | None) -> str:
    """Return in words how a network is trained."""
    starts = {"least_squares": ", from a least-squares start", "reference": ", from the published decoder"}
    return f"{steps} steps of batch {batch_size} at {crop} px{starts.get(init or '', '')}"
