"""What ``make doctor`` finds out about weights, disk, W&B, devices, and the loader against the model."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from omegaconf import DictConfig, OmegaConf

from adain.cli.train import build_trainer
from adain.runtime.errors import UserError
from adain.runtime.files import existing

_MOST = 8  # batches or steps in a measurement
_SECONDS = 10.0  # that one may take; two steps are the least


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        level: ``problem`` if the run would fail or be worthless, ``warning`` if it is worth a look.
        check: What was looked at.
        text: What was found, and what to do.
        figures: For ``doctor.json``.
        file: One that it is about, or several, shown below the text and never broken.
    """

    level: Literal["ok", "warning", "problem"]
    check: str
    text: str
    figures: dict[str, Any] = {}  # noqa: RUF012  # never written to
    file: str | None = None


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- weights, disk, W&B ---------------------------------------------------------------------------------------------


def check_weights(config: DictConfig, build: Callable[[], Any]) -> list[Finding]:
    """The encoder's weights, verified, and the networks that the run begins from and is compared with.

    Args:
        config: Of the run.
        build: Makes its method.
    """
    from adain.nn.decoder import load_decoder
    from adain.nn.weights import find

    encoder = find(config.encoder.name, config.encoder.weights)
    findings = [Finding("ok", "encoder weights", "SHA-256 as published", {}, str(encoder))]
    for key, check in (("init", "first decoder"), ("style", "style picture")):
        if (given := config.model.get(key)) not in (None, "random", "least_squares"):
            build().initialize(_no_pictures)
            findings.append(Finding("ok", check, f"model.{key}={given} can be read"))
    if (other := config.get("compare_with")) is not None:
        try:
            load_decoder(other)
            findings.append(Finding("ok", "compared decoder", f"compare_with={other} can be read"))
        except UserError as error:
            findings.append(Finding("warning", "compared decoder", f"{error}; the run goes on without it"))
    return findings


def _no_pictures(count: int) -> NoReturn:
    raise AssertionError("a start from a file needs no pictures")


def check_disk(config: DictConfig, method: Any) -> list[Finding]:
    """The space that the run of a method will need at most, against what is free."""
    weights = 4 * sum(p.numel() for p in method.parameters())
    moments = 1 if config.optimizer._target_.endswith("muon") else 2
    checkpoint = weights * (1 + moments)
    validations = config.trainer.max_steps // config.trainer.val_check_interval + 1
    pairs = min(config.callbacks.get("grid", {}).get("pairs", 0), config.data.val_pairs)
    grid = pairs * 3 * 3 * config.data.val_size**2  # three pictures a pair; a PNG file is hardly larger than its pixels
    media = 2 if config.logger.get("wandb") is not None else 1  # W&B keeps its own copy
    table = 14 * pairs * 3 * config.data.val_size**2 * (media - 1)
    records = 2000 * (config.trainer.max_steps // config.trainer.log_every_n_steps + validations)
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


def check_wandb(config: DictConfig) -> list[Finding]:
    """Whether the run would be uploaded."""
    if config.logger.get("wandb") is None:
        return [Finding("ok", "W&B", "not asked for (logger=wandb)")]
    if mode := os.environ.get("WANDB_MODE"):
        return [Finding("ok" if mode == "online" else "warning", "W&B", f"WANDB_MODE={mode} is set")]
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    if not wandb.login(prompt=False, verify=False):
        return [
            Finding("warning", "W&B", "nobody is logged in, so the run stays offline: wandb login, or sync it later")
        ]
    try:
        wandb.login(prompt=False, verify=True, timeout=15)
    except Exception as error:  # W&B raises a different family of errors for every cause
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [Finding("warning", "W&B", f"a key is stored, but the server does not take it ({reason}): wandb login")]
    return [Finding("ok", "W&B", "logged in")]


# --- machine --------------------------------------------------------------------------------------------------------


def check_devices(config: DictConfig) -> list[Finding]:
    """Devices and precision, as the run would have them."""
    from adain.runtime.precision import fastest_precision

    trainer = build_trainer(_without_callbacks(config), [], [])
    device, asked, taken = trainer.strategy.root_device, config.trainer.precision, str(trainer.precision)
    text = f"{trainer.num_devices} x {device.type} on {trainer.num_nodes} node(s)"
    findings = [Finding("ok", "devices", text, {"device": str(device), "count": trainer.num_devices})]
    fast = fastest_precision(device)
    if asked != "auto" and fast == "32-true" and "16" in taken:
        slower = f"trainer.precision={asked} is slower than 32-true on this {device.type}: use trainer.precision=auto"
        findings.append(Finding("warning", "precision", slower, {"precision": taken, "fastest": fast}))
    elif asked != "auto" and fast != taken and "16" not in taken:
        text = f"trainer.precision={asked}; {fast} is faster here (trainer.precision=auto)"
        findings.append(Finding("warning", "precision", text, {"precision": taken, "fastest": fast}))
    else:
        findings.append(Finding("ok", "precision", taken, {"precision": taken, "fastest": fast}))
    return findings


def _without_callbacks(config: DictConfig) -> DictConfig:
    quiet = OmegaConf.merge(config, {"trainer": {"enable_progress_bar": False}})
    assert isinstance(quiet, DictConfig)
    return quiet


def check_loader(config: DictConfig, method: Any) -> list[Finding]:
    """Times the loader alone, the training step alone, and both together, and says which one waits.

    Together counts: on a CPU the two share cores. The loader is the one of training, workers and all.
    """
    import pytorch_lightning as pl
    import torch
    from hydra.utils import instantiate

    from adain.data.pairs import Batch
    from adain.functional.losses import weighted_total
    from adain.runtime.memory import keep_freed_memory
    from adain.runtime.precision import memory_format

    keep_freed_memory()
    trainer = build_trainer(_without_callbacks(config), [], [])
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = instantiate(config.data)
    if not hasattr(method, "losses"):
        return [Finding("ok", "loader and model", "this method has no training step to measure")]
    device, precision = trainer.strategy.root_device, str(trainer.precision)
    data.setup()
    method.to(device, memory_format=memory_format(device, precision))
    optimizer = torch.optim.Adam(method.parameters(), lr=0.0)

    def step(batch: Batch) -> None:
        batch = data.on_after_batch_transfer({**batch, "content": batch["content"].to(device),
                                              "style": batch["style"].to(device)}, 0)  # fmt: skip
        with trainer.precision_plugin.forward_context():
            loss = weighted_total(method.losses(batch["content"], batch["style"])[0], method.weights)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    batches = iter(data.train_dataloader())
    first = next(batches)
    for _ in range(max(1, 3 * data.num_workers)):  # what was prefetched is no measure
        next(batches)
    start = time.perf_counter()
    for _ in range(_MOST):
        next(batches)
    load = (time.perf_counter() - start) / _MOST
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
        f"a batch of {data.batch_size} pairs is loaded in {load:.3f} s by {data.num_workers} workers and trained on in "
        f"{compute:.3f} s; together the model waits {share:.0%} of the time"
    )
    if share < 0.1:
        return [Finding("ok", "loader and model", f"{text}: the model sets the pace", figures)]
    one = load * max(1, data.num_workers)
    enough = min(cores(), max(data.num_workers + 1, round(one / compute + 0.5)))
    if enough > data.num_workers:
        turn = f"data.num_workers={enough}"
    else:
        turn = f"no more cores than {cores()}: store the pictures once with a short side of data.resize={config.data.resize}"
    return [Finding("warning", "loader and model", f"{text}: {turn}", figures)]
