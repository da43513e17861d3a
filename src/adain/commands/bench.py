"""``make bench``: speed, measured side by side in one run."""

from __future__ import annotations

import csv
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from adain.commands.app import run
from adain.errors import UserError

Turn = Callable[[int], float]
"""Takes so many training steps and gives the seconds for each."""


def bench(config: DictConfig) -> None:
    """Runs the named benchmark, prints a table and saves it as JSON and CSV."""
    if config.bench != "train":
        raise UserError(f"bench={config.bench} is unknown: choose train")
    import torch
    from hydra.core.hydra_config import HydraConfig

    from adain.memory import keep_freed_memory
    from adain.precision import fastest_precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precisions = ["32-true"]
    if config.precisions is not None:
        precisions = list(config.precisions)
    elif (fastest := fastest_precision(device)) != "32-true":
        precisions.append(fastest)

    rows: list[dict[str, Any]] = []
    # The allocator's setting is ours and cannot be taken back within a process: the step as anybody would run it comes
    # first; after that the plain one has the setting too, so the rest of the difference is the code's.
    for size in config.sizes:
        alone = {"plain, default allocator": _plain(size, config.batch_size, device)}
        rows += _rows(alone, size, config)
    keep_freed_memory()
    for size in config.sizes:
        turns: dict[str, Turn] = {"plain": _plain(size, config.batch_size, device)}
        for precision in precisions:
            turns[f"ours, {precision}"] = _ours(size, config.batch_size, precision, device)
            turns[f"ours, {precision}, Lightning's loop"] = _lightning(size, config.batch_size, precision, device)
        rows += _rows(turns, size, config)
    rows.sort(key=lambda row: row["size"])
    for row in rows:
        for column, name in (("against_plain", "plain"), ("against_default", "plain, default allocator")):
            base = next(r for r in rows if r["size"] == row["size"] and r["step"] == name)
            row[column] = round(base["median_s"] / row["median_s"], 3)

    machine = {
        "cpu": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    machine["device"] = (
        torch.cuda.get_device_name() if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    )
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "bench.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    with (folder / "bench.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"machine: {machine}\n")
    print(
        f"{'size':>5} {'batch':>5}  {'training step':<36}{'median s':>9}{'min':>8}{'max':>8}{'x plain':>9}{'x default':>11}"
    )
    for row in rows:
        print(
            f"{row['size']:>5} {row['batch_size']:>5}  {row['step']:<36}{row['median_s']:>9.3f}{row['min_s']:>8.3f}"
            f"{row['max_s']:>8.3f}{row['against_plain']:>9.2f}{row['against_default']:>11.2f}"
        )
    print(f"\nsaved: {folder}/bench.json, bench.csv")


def _rows(turns: dict[str, Turn], size: int, config: DictConfig) -> list[dict[str, Any]]:
    """Each contestant in turn, again and again, so that a drifting machine drifts for all. The first turn is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(config.repeats + 1):
        for name, take in turns.items():
            seconds = take(config.steps)
            if turn:
                times[name].append(seconds)
    shared = {"size": size, "batch_size": config.batch_size}
    return [
        {**shared, "step": name, "median_s": statistics.median(found), "min_s": min(found), "max_s": max(found)}
        for name, found in times.items()
    ]


def _timed(step: Callable[[], None], device: Any) -> Turn:
    import torch

    def turn(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    return turn


def _pictures(size: int, count: int, device: Any) -> tuple[Any, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    content, style = torch.rand(2, count, 3, size, size, generator=generator).to(device)
    return content, style


def _plain(size: int, count: int, device: Any) -> Turn:
    import torch

    from adain.plain_step import plain_decoder, plain_encoder, plain_losses
    from adain.weights import find, read_state

    encoder = plain_encoder(read_state(find("vgg19_normalised"))).to(device)
    decoder = plain_decoder().to(device)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=1e-4)
    content, style = _pictures(size, count, device)

    def step() -> None:
        content_loss, style_loss = plain_losses(encoder, decoder, content, style)
        optimiser.zero_grad()
        torch.autograd.backward(content_loss + 10 * style_loss)
        optimiser.step()

    return _timed(step, device)


def _method() -> Any:
    from adain.methods.adain import AdaINMethod

    return AdaINMethod(init="random", schedule="constant")


def _ours(size: int, count: int, precision: str, device: Any) -> Turn:
    import torch

    from adain.losses import weighted_total
    from adain.precision import memory_format

    method = _method().to(device, memory_format=memory_format(precision))
    optimiser = torch.optim.Adam(method.decoder.parameters(), lr=1e-4)
    content, style = _pictures(size, count, device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            terms, _ = method.losses(content, style)
            loss = weighted_total(terms, method.weights)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()

    return _timed(step, device)


def _lightning(size: int, count: int, precision: str, device: Any) -> Turn:
    """The same inside ``Trainer.fit``: from the end of its first step to the end of its last."""
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader

    from adain.commands.train import quieten
    from adain.data.pairs import Batch
    from adain.precision import memory_format

    quieten()
    content, style = _pictures(size, count, device)
    names = [""] * count
    batch = Batch(content=content, style=style, content_name=names, style_name=names, skipped=[])
    method = _method().to(memory_format=memory_format(precision))

    class Clock(pl.Callback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_train_batch_end(self, *args: Any) -> None:
            if device.type == "cuda":
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())

    def turn(steps: int) -> float:
        clock = Clock()
        accelerator = "gpu" if device.type == "cuda" else "cpu"
        trainer = pl.Trainer(
            accelerator=accelerator, devices=1, max_steps=steps + 1, precision=precision, logger=False,  # type: ignore[arg-type]
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[clock],
        )  # fmt: skip
        loader: Any = DataLoader([batch] * (steps + 1), batch_size=None)  # type: ignore[arg-type]
        trainer.fit(method, loader)
        return (clock.ends[-1] - clock.ends[0]) / steps

    return turn


def main() -> None:
    """The command."""
    run("bench", bench)


if __name__ == "__main__":
    main()
