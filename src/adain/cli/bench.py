"""``make bench``: speed and memory, by stage, beside the limit of the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.plain import as_fields, plain_values
from adain.cli.preflight.compose import nested_config
from adain.cli.preflight.evaluation import check_benchmark
from adain.runtime.extras import install_command
from adain.runtime.quoting import quote

if TYPE_CHECKING:
    import pytorch_lightning as pl


def bench(config: DictConfig) -> None:
    """Measure what is asked for, print it and save it, also where a later part fails."""
    check_benchmark(config)
    from hydra.core.hydra_config import HydraConfig
    from rich.console import Console

    from adain.cli.quiet import quieten
    from adain.evaluation.speed.bench import Benchmark

    quieten()
    folder = Path(HydraConfig.get().runtime.output_dir)
    benchmark = Benchmark(**as_fields(Benchmark, config, model=config.model.name))
    results: dict[str, Any] = {}
    try:
        benchmark.measure(results, folder, Console(stderr=True).print, _train)
    finally:
        if results:
            _report(results, folder, config)


def _report(results: dict[str, Any], folder: Path, config: DictConfig) -> None:
    from rich.console import Console

    from adain.evaluation.speed.report import save, show

    files = save(folder, results)
    console = Console(width=None if Console().is_terminal else 110)
    show(results, console)
    console.print(f"machine: {results['machine']}", highlight=False)
    if "bench.html" not in files:
        console.print(f"no plot: plotly is not installed: {install_command('sweep')}", soft_wrap=True)
    if config.wandb:
        from adain.evaluation.log import log_benchmark

        log_benchmark(folder, results, plain_values(config))
    console.print(f"saved: {folder}/ {', '.join(files)}", highlight=False, soft_wrap=True)


def _train(overrides: Sequence[str], folder: Path, callbacks: Sequence[pl.Callback]) -> None:
    """Run ``make train``, silent, in a folder."""
    from adain.cli.train import train

    folder.mkdir(parents=True)
    with (
        nested_config("train", [*overrides, f"logs={quote(str(folder.parent))}"], folder) as config,
        (folder / "train.log").open("w") as log,
        contextlib.redirect_stdout(log),
    ):
        train(config, callbacks)


def main() -> None:
    """Run the command."""
    run("bench", bench)


if __name__ == "__main__":
    main()
