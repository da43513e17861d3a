"""Our training step beside the same step written plainly (``plain_step``), with and without Lightning's loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from adain.data.pairs import Batch
from adain.evaluation.speed.clock import Spread, Stages, interleave, ratio, synchronize, timings
from adain.evaluation.speed.plain_step import plain_decoder, plain_encoder, plain_losses
from adain.evaluation.speed.stages import OurStep, Setting, own_layout, pictures
from adain.evaluation.store import Row
from adain.methods.adain import AdaINMethod
from adain.methods.base import TrainedMethod
from adain.methods.optimizers import adam
from adain.nn.weights import find, read_state
from adain.runtime.memory import keep_freed_memory
from adain.runtime.precision import memory_format

Step = Callable[[], object]


def measure_training(
    sizes: Sequence[int], batches: Sequence[int], precisions: Sequence[str], repeats: int, steps: int,
    device: torch.device,
) -> list[Row]:  # fmt: skip
    """Time the plain step, ours, and ours in ``Trainer.fit``, in turns, at every size and batch.

    The allocator's setting is ours and cannot be taken back within a process: the step as anybody would run it comes
    first, alone; after that the plain one has the setting too, so the rest of the difference is the code's.

    Args:
        sizes: Sides of the crops, in pixels.
        batches: Pairs in a step.
        precisions: Of ours.
        repeats: Turns that count, after one of warm-up.
        steps: Training steps in a turn.
        device: Where.
    """
    places = [(size, batch) for size in sizes for batch in batches]
    alone = {
        place: interleave({"": [_turn(_plain(*place, device), steps, device)]}, repeats, device)[""]["step"]
        for place in places
    }
    keep_freed_memory()
    rows: list[Row] = []
    for size, batch in places:
        turns: dict[str, Stages] = {"plain": [_turn(_plain(size, batch, device), steps, device)]}
        for precision in precisions:
            setting = Setting("stages", size, batch, precision, own_layout(device, precision))
            turns[f"ours, {precision}"] = [_turn(OurStep(setting, device).step, steps, device)]
            turns[f"ours, {precision}, Lightning's loop"] = [("step", _lightning(setting, steps, device))]
        times = {name: found["step"] for name, found in interleave(turns, repeats, device).items()}
        for name, seconds in {"plain, default allocator": alone[size, batch], **times}.items():
            row: Row = {"work": "train", "size": size, "batch": batch, "contestant": name, "stage": "whole step"}
            row |= timings([s / steps for s in seconds])
            row |= {"per_second": batch / row["median_s"], **ratio(times["plain"], seconds).columns("against_plain")}
            row["against_default"] = Spread.of(alone[size, batch]).median / (row["median_s"] * steps)
            rows.append(row)
    return rows


def _turn(step: Step, steps: int, device: torch.device) -> tuple[str, Step]:
    def turn() -> None:
        for _ in range(steps):
            step()

    return "step", turn


def _plain(size: int, batch: int, device: torch.device) -> Step:
    encoder = plain_encoder(read_state(find("vgg19_normalized"))).to(device)
    decoder = plain_decoder().to(device)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-4)
    content, style = pictures(Setting("stages", size, batch), device)

    def step() -> None:
        content_loss, style_loss = plain_losses(encoder, decoder, content, style)
        optimizer.zero_grad()
        torch.autograd.backward(content_loss + 10 * style_loss)
        optimizer.step()

    return step


def _lightning(setting: Setting, steps: int, device: torch.device) -> Step:
    """Return the same inside ``Trainer.fit``: from the end of its first step to the end of its last."""
    content, style = pictures(setting, device)
    names = [""] * setting.batch
    batch = Batch(content=content, style=style, content_name=names, style_name=names, skipped=[])
    method = AdaINMethod(optimizer=partial(adam, schedule="constant")).to(
        memory_format=memory_format(device, setting.precision)
    )

    class Clock(pl.Callback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            if trainer.global_step in (1, steps + 1):  # in between, a GPU waits for nobody
                synchronize(device)
                self.ends.append(time.perf_counter())

    def turn() -> float:
        clock = Clock()
        fit(method, batch, steps + 1, device, clock, setting.precision)
        return clock.ends[-1] - clock.ends[0]

    return turn


def fit(
    method: TrainedMethod,
    batch: Any,
    steps: int,
    device: torch.device,
    callback: pl.Callback,
    precision: Any = "32-true",
) -> None:
    """Train by Lightning on one batch that is there already, without a logger and with one callback alone."""
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, max_steps=steps, precision=precision,
        limit_val_batches=0, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    loader: Any = DataLoader([batch] * steps, batch_size=None)  # type: ignore[arg-type]
    trainer.fit(method, loader)
