"""``make doctor``: looks at data, weights and machine before a long run, with that run's own configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from adain.cli.app import run
from adain.cli.quiet import quieten
from adain.runtime.conf import build
from adain.runtime.files import relative, write_whole
from adain.runtime.findings import COLORS, Finding, run_checks
from adain.training.resume import resumed_arguments

if TYPE_CHECKING:
    from adain.training.doctor import Plan


def doctor(config: DictConfig) -> None:
    """Make every check, print a line for each, and end with exit code 1 if there are problems."""
    from hydra.core.hydra_config import HydraConfig
    from rich.console import Console

    folder, console = Path(HydraConfig.get().runtime.output_dir), Console()
    folder.mkdir(parents=True, exist_ok=True)
    quieten()
    # pictures first: the scan's processes are small before torch is loaded
    findings = run_checks([("pictures", lambda: check_pictures(config, folder))], console)
    findings += run_checks(_machine_checks(config), console)
    count = {level: sum(finding.level == level for finding in findings) for level in COLORS}
    summary = {"counts": count, "findings": [finding._asdict() for finding in findings]}
    write_whole(folder / "doctor.json", json.dumps(summary, indent=2, default=str) + "\n")
    counts = f"{count['ok']} ok, {count['warning']} warnings, {count['problem']} problems"
    print(f"\n{counts}   {relative(folder / 'doctor.json')}")
    if count["problem"]:
        sys.exit(1)


def check_pictures(config: DictConfig, folder: Path) -> list[Finding]:
    """Scan folders of pictures; streams and made-up pictures are not scanned."""
    from adain.data import doctor, sample, sources

    data, target = config.data, str(config.data.get("_target_"))
    if target.endswith(".hub"):
        return [
            Finding("warning", "pictures", "streamed from the hub, so not scanned: training counts and skips bad rows")
        ]
    if target.endswith(".sample"):
        sides = {"content": sample.sample_source("content"), "style": sample.sample_source("style")}
    elif target.endswith(".folders"):
        roots = cast("dict[str, Any]", OmegaConf.to_container(data, resolve=True))
        given = (data.max_pixels, data.min_side, data.held_out)
        sides = {side: sources.FolderSource(roots[side], *given) for side in ("content", "style")}
    else:
        return [Finding("ok", "pictures", "made up: nothing to scan")]
    cache_file = Path(data.get("manifest") or Path(config.logs) / "doctor" / "manifest.sqlite")
    return doctor.check_pictures(sides, cache_file, folder, data.resize, data.val_pairs)


def _machine_checks(config: DictConfig) -> list[tuple[str, Callable[[], list[Finding]]]]:
    from adain.training import doctor as checks
    from adain.training.trainer import build_trainer

    config.trainer.enable_progress_bar = False
    model, trainer = cache(lambda: build(config.model)), cache(lambda: build_trainer(config, [], []))
    starts = {key: config.model.get(key) for key in ("init", "style")}
    encoder, compare_with = config.encoder, config.get("compare_with")
    return [
        ("weights", lambda: checks.check_weights(
            encoder.name, encoder.weights, starts, compare_with, lambda: model().init_weights(checks.no_pictures))),
        ("disk", lambda: checks.check_disk(plan_of(config), model(), Path(config.logs))),
        ("W&B", lambda: checks.check_wandb(config.logger.get("wandb") is not None)),
        ("devices", lambda: checks.check_devices(trainer(), config.trainer.precision)),
        ("loader", lambda: checks.check_loader(trainer(), build(config.data), model(), config.seed)),
    ]  # fmt: skip


def plan_of(config: DictConfig) -> Plan:
    """Return what a run will keep."""
    from adain.training.doctor import Plan

    trainer, wandb = config.trainer, config.logger.get("wandb") is not None
    moments = 1 if config.optimizer._target_.endswith("muon") else 2
    grid_pairs = min(config.callbacks.get("grid", {}).get("pairs", 0), config.data.val_pairs)
    steps = trainer.max_steps, trainer.log_every_n_steps, trainer.val_check_interval
    return Plan(*steps, moments, grid_pairs, config.data.val_size, wandb)


def main() -> None:
    """Run the command."""
    head = "make doctor [key=value ...] : looks at what  make train  with the same keys would use, before it does"
    run("train", doctor, head, rewrite)


def rewrite(typed: list[str]) -> list[str]:
    """Return the arguments of the training, its outputs sent to a folder of the doctor's."""
    kept = [argument for argument in resumed_arguments(typed) if not argument.startswith("hydra.run.dir=")]
    return [*kept, "hydra.run.dir=${logs}/doctor/${now:%Y-%m-%d_%H-%M-%S}", "hydra.output_subdir=null"]


if __name__ == "__main__":
    main()
