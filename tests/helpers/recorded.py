"""A tiny training whose step may be recorded as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from adain.methods.adain import AdaINMethod
from adain.methods.optimizers import adam
from adain.training.cuda_graph import use_cuda_graph


class Noted(pl.Callback):
    """Notes the losses of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *args: Any) -> None:
        whole = trainer.accumulate_grad_batches * outputs["loss"].item()
        assert pl_module.last_losses()["train/loss"].item() == pytest.approx(whole)
        self.losses.append(outputs["loss"].item())


def run(
    folder: Path, asked: Any, steps: int = 4, norm: Any = "none", optimizer: Any = adam, ckpt: Path | None = None,
    accelerator: str = "cpu", widths: Sequence[int] = (2, 2, 2), side: int = 16, **given: Any,
) -> tuple[list[float], dict[str, Tensor], Path]:  # fmt: skip
    """Train with a validation after every second step. Returns losses, weights and a checkpoint."""
    torch.manual_seed(0)
    method = AdaINMethod(widths=list(widths), norm=norm, optimizer=partial(optimizer, lr=1e-2))
    made = torch.Generator().manual_seed(1)
    batches = [
        {kind: torch.rand(1, 3, side, side, generator=made) for kind in ("content", "style")} for _ in range(2 * steps)
    ]
    done = torch.load(ckpt, weights_only=True)["global_step"] if ckpt else 0
    loader: Any = DataLoader(batches[done:], batch_size=None)  # type: ignore[arg-type]
    noted = Noted()
    trainer = pl.Trainer(
        accelerator=accelerator, devices=1, max_steps=steps, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, limit_val_batches=1,
        val_check_interval=2, check_val_every_n_epoch=None, callbacks=[noted], default_root_dir=folder, **given,
    )  # fmt: skip
    use_cuda_graph(method, trainer, asked, compiled=False)
    trainer.fit(method, loader, DataLoader(batches[:1], batch_size=None), ckpt_path=ckpt)  # type: ignore[arg-type]
    path = folder / f"{asked}_{steps}.ckpt"
    trainer.save_checkpoint(path)
    return noted.losses, method.state_dict(), path
