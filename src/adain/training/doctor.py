"""What a training would meet: weights, disk, W&B, devices, and the loader against the model."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from adain.data.loader_speed import seconds_per_batch
from adain.data.pairs import Batch, StyleTransferDataModule
from adain.functional.losses import weighted_total
from adain.methods.base import TrainedMethod
from adain.nn.decoder import load_decoder
from adain.nn.weights import find
from adain.runtime.conf import build
from adain.runtime.errors import InputError, first_line
from adain.runtime.files import existing
from adain.runtime.findings import Finding, cores
from adain.runtime.memory import keep_freed_memory
from adain.runtime.precision import fastest_precision, memory_format
from adain.training.trainer import build_trainer
from adain.training.wandb_run import check_settings

_MOST = 8  # batches or steps in a measurement
_SECONDS = 10.0  # that one may take; two steps are the least


def machine_checks(config: DictConfig) -> list[tuple[str, Callable[[], list[Finding]]]]:
    """Return the checks of all but the pictures, by name, for a training's configuration. Turn its progress bar off."""
    config.trainer.enable_progress_bar = False
    model, trainer = cache(lambda: build(config.model)), cache(lambda: build_trainer(config, [], []))
    return [
        ("weights", lambda: check_weights(config, model)),
        ("disk", lambda: check_disk(config, model())),
        ("W&B", lambda: check_wandb(config.logger.get("wandb"))),
        ("devices", lambda: check_devices(trainer(), config.trainer.precision)),
        ("loader", lambda: check_loader(trainer(), build(config.data), model(), config.seed)),
    ]


# --- weights, disk, W&B ---------------------------------------------------------------------------------------------


def check_weights(config: DictConfig, model: Callable[[], TrainedMethod]) -> list[Finding]:
    """Verify the encoder's weights, and what the run begins from and is compared with."""
    encoder = find(config.encoder.name, config.encoder.weights)
    findings = [Finding("ok", "encoder weights", "SHA-256 as published", {}, str(encoder))]
    for key, check in (("init", "first decoder"), ("style", "style picture")):
        if (given := config.model.get(key)) not in (None, "random", "least_squares"):
            model().init_weights(no_pictures)
            findings.append(Finding("ok", check, f"model.{key}={given} can be read"))
    if (compare_with := config.get("compare_with")) is not None:
        try:
            load_decoder(compare_with)
            findings.append(Finding("ok", "compared decoder", f"compare_with={compare_with} can be read"))
        except InputError as error:
            findings.append(Finding("warning", "compared decoder", f"{error}; the run goes on without it"))
    return findings


def no_pictures(count: int) -> NoReturn:
    """Stand for the pictures of a start that needs none."""
    raise AssertionError("a start from a file needs no pictures")


def check_disk(config: DictConfig, model: torch.nn.Module) -> list[Finding]:
    """Compare the most space that a run can need with what is free."""
    trainer, data = config.trainer, config.data
    moments = 1 if config.optimizer._target_.endswith("muon") else 2
    checkpoint = 4 * sum(p.numel() for p in model.parameters()) * (1 + moments)
    validations = trainer.max_steps // trainer.val_check_interval + 1
    pixels = min(config.callbacks.get("grid", {}).get("pairs", 0), data.val_pairs) * 3 * data.val_size**2
    grid = 3 * pixels  # three pictures a pair; a PNG file is hardly larger than its pixels
    media = 1 if config.logger.get("wandb") is None else 2  # W&B keeps its own copy
    table = 14 * pixels * (media - 1)
    records = 2000 * (trainer.max_steps // trainer.log_every_n_steps + validations)
    need = 3 * checkpoint + validations * grid * media + table + records  # best, last, and the one being written
    there = existing(Path(config.logs))
    free = shutil.disk_usage(there).free
    text = (
        f"{_size(free)} free at {there}; the run needs at most {_size(need)}: 3 checkpoints of {_size(checkpoint)}, "
        f"{validations:,} picture grids of {_size(grid)}{' twice' if media == 2 else ''}, {_size(records)} of figures"
    )
    figures = {"free": free, "need": need, "checkpoint": checkpoint, "validations": validations, "grid": grid}
    if free < need:
        return [
            Finding(
                "problem", "disk", f"{text}; free some, give logs=PATH, or raise trainer.val_check_interval", figures
            )
        ]
    return [Finding("warning" if free < 2 * need else "ok", "disk", text, figures)]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def check_wandb(logger: DictConfig | None) -> list[Finding]:
    """Check whether the run would be uploaded.

    Raises:
        UserError: If W&B refuses a setting.
    """
    if logger is None:
        return [Finding("ok", "W&B", "not asked for (logger=wandb)")]
    check_settings(logger.project, logger.tags)
    if mode := os.environ.get("WANDB_MODE"):
        return [Finding("ok" if mode == "online" else "warning", "W&B", f"WANDB_MODE={mode} is set")]
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    try:
        if not wandb.login(prompt=False, verify=False):
            offline = "nobody is logged in, so the run stays offline: wandb login, or sync it later"
            return [Finding("warning", "W&B", offline)]
        wandb.login(prompt=False, verify=True, timeout=15)
    except Exception as error:  # W&B raises a different family of errors for every cause
        refused = f"there is a key, but it is not taken ({first_line(error)}), so the run stays offline: wandb login"
        return [Finding("warning", "W&B", refused)]
    return [Finding("ok", "W&B", "logged in")]


# --- machine --------------------------------------------------------------------------------------------------------


def check_devices(trainer: pl.Trainer, asked: str) -> list[Finding]:
    """Show devices and precision as the run would have them; warn where another precision than asked is faster."""
    device, taken = trainer.strategy.root_device, str(trainer.precision)
    text = f"{trainer.num_devices} x {device.type} on {trainer.num_nodes} node(s)"
    fast, advice = fastest_precision(device), ""
    if asked != "auto" and fast == "32-true" and "16" in taken:
        advice = f"trainer.precision={asked} is slower than 32-true on this {device.type}: use trainer.precision=auto"
    elif asked != "auto" and fast != taken and "16" not in taken:
        advice = f"trainer.precision={asked}; {fast} is faster here (trainer.precision=auto)"
    figures = {"precision": taken, "fastest": fast}
    return [
        Finding("ok", "devices", text, {"device": str(device), "count": trainer.num_devices}),
        Finding("warning" if advice else "ok", "precision", advice or taken, figures),
    ]


def check_loader(trainer: pl.Trainer, data: StyleTransferDataModule, model: TrainedMethod, seed: int) -> list[Finding]:
    """Time the loader alone, the training step alone, and both together, and say which one waits.

    Together counts: on a CPU the two share cores. The loader is the one of training, workers and all.
    """
    keep_freed_memory()
    pl.seed_everything(seed, workers=True, verbose=False)
    device, precision = trainer.strategy.root_device, str(trainer.precision)
    data.setup()
    model.to(device, memory_format=memory_format(device, precision))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0)

    def step(batch: Batch) -> None:
        batch = data.on_after_batch_transfer({**batch, "content": batch["content"].to(device),
                                              "style": batch["style"].to(device)}, 0)  # fmt: skip
        with trainer.precision_plugin.forward_context():
            loss = weighted_total(model.losses(batch["content"], batch["style"])[0], model.weights)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    batches = iter(data.train_dataloader())
    first = next(batches)
    load = seconds_per_batch(batches, data.num_workers)
    step(first)  # the first one also allocates
    start, done = time.perf_counter(), 0
    while done < 2 or (done < _MOST and time.perf_counter() - start < _SECONDS):
        step(first)
        done += 1
    compute = (time.perf_counter() - start) / done
    for _ in range(2 * data.num_workers):
        next(batches)
    waited, start, done = 0.0, time.perf_counter(), 0
    while done < 2 or (done < _MOST and time.perf_counter() - start < _SECONDS):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        step(batch)
        done += 1
    share = waited / (time.perf_counter() - start)
    del batches
    figures = {"load_seconds": load, "step_seconds": compute, "share_waiting": share, "num_workers": data.num_workers}
    text = (
        f"a batch of {data.batch_size} pairs is loaded in {load:.3f} s by {data.num_workers} workers "
        f"({data.batch_size / load:.3g} pairs per second) and trained on in {compute:.3f} s; together the model waits "
        f"{share:.0%} of the time"
    )
    if share < 0.1:
        return [Finding("ok", "loader and model", f"{text}: the model sets the pace", figures)]
    one = load * max(1, data.num_workers)
    enough = min(cores(), max(data.num_workers + 1, round(one / compute + 0.5)))
    if enough > data.num_workers:
        turn = f"data.num_workers={enough}"
    else:
        turn = f"no more cores than {cores()}: store the pictures once with a short side of data.resize={data.framing.resize}"
    return [Finding("warning", "loader and model", f"{text}: {turn}", figures)]
