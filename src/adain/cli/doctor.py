"""``make doctor``: looks at data, weights and machine before a long run, with that run's own configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from adain.cli.app import run
from adain.cli.quiet import quieten
from adain.runtime.files import relative, write_whole
from adain.runtime.findings import COLORS, Finding, run_checks
from adain.training.resume import resumed_arguments


def doctor(config: DictConfig) -> None:
    """Make every check, print a line for each, and end with exit code 1 if there are problems."""
    from hydra.core.hydra_config import HydraConfig
    from rich.console import Console

    folder, console = Path(HydraConfig.get().runtime.output_dir), Console()
    folder.mkdir(parents=True, exist_ok=True)
    quieten()
    # pictures first: the scan's processes are small before torch is loaded
    findings = run_checks([("pictures", lambda: check_pictures(config, folder))], console)
    from adain.training.doctor import machine_checks

    findings += run_checks(machine_checks(config), console)
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
