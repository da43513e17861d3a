"""Grids of the same held-out pairs at every validation: on disk, in W&B, and as one W&B table at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from PIL import Image

from adain.data.contact_sheet import picture_grid
from adain.data.picture import to_picture
from adain.runtime.files import relative
from adain.runtime.schema import Count
from adain.training.wandb_run import left_out_if_refused, wandb_loggers

_MOST_COLUMNS = 12  # validations kept for the table; beyond, every second one is dropped


class PictureGrid(pl.Callback):
    """One row a pair: content, style, output.

    Args:
        folder: Where ``step_000100.png`` and so on are written.
        pairs: How many held-out pairs are shown.

    Attributes:
        latest: The newest grid's file.
    """

    def __init__(self, folder: str, pairs: Count) -> None:
        self.folder, self.pairs = Path(folder), pairs
        self.latest: Path | None = None
        self._rows: list[tuple[str, str, Image.Image, Image.Image]] = []
        self._outputs: dict[int, list[Image.Image]] = {}

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a new column."""
        self._outputs[trainer.global_step] = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Keep the first pairs of the first rank."""
        column = self._outputs[trainer.global_step]
        for index in range(len(batch["content"])):
            if not trainer.is_global_zero or len(column) == self.pairs:
                return
            content = to_picture(batch["content"][index])
            output = to_picture(outputs["output"][index]).crop((0, 0, *content.size))
            column.append(output)
            if len(self._rows) < len(column):
                names = (Path(batch["content_name"][index]).name, Path(batch["style_name"][index]).name)
                self._rows.append((*names, content, to_picture(batch["style"][index])))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and log the grid."""
        if not trainer.is_global_zero:
            return
        step = trainer.global_step
        rows = [[*row[2:], out] for row, out in zip(self._rows, self._outputs[step], strict=True)]
        grid = picture_grid(rows, ["content", "style", f"step {step}"])
        self.folder.mkdir(parents=True, exist_ok=True)
        self.latest = self.folder / f"step_{step:06d}.png"
        grid.save(self.latest)
        for logger in wandb_loggers(trainer):
            logger.log_image("pictures", [grid], step=None, caption=[f"content, style, output at step {step}"])
        if len(self._outputs) > _MOST_COLUMNS:
            self._outputs = {step: column for i, (step, column) in enumerate(self._outputs.items()) if i % 2 == 0}

    def closing_line(self) -> str | None:
        """Return where the newest grid is."""
        return None if self.latest is None else f"pictures      {relative(self.latest)}"

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the table: a row a pair, a column a validation."""
        for logger in wandb_loggers(trainer):
            import wandb

            steps = [step for step, column in self._outputs.items() if len(column) == len(self._rows)]
            columns: list[Any] = [
                "content",
                "style",
                "content picture",
                "style picture",
                *(f"step {step}" for step in steps),
            ]
            rows = [
                [*names, *(wandb.Image(p) for p in (content, style, *(self._outputs[step][index] for step in steps)))]
                for index, (*names, content, style) in enumerate(self._rows)
            ]
            with left_out_if_refused("the table of held-out pairs"):
                # not in the history, where its numbers of rows and columns would be charts of one point
                logger.experiment.summary["held-out pairs"] = wandb.Table(columns=columns, data=rows)
