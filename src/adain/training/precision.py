"""What ``trainer.precision=auto`` comes to: decided once for a run and once for a sweep, whichever machine continues it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from adain.runtime.files import lock, write_whole
from adain.runtime.precision import fastest_precision
from adain.runtime.run_folder import read_summary


def settle_precision(checkpoint: Path | None, device: str) -> str:
    """Return the precision of the run that goes on, else that of the sweep's other jobs, else the fastest here.

    Args:
        checkpoint: Of the run that goes on, in its folder; None for a new run.
        device: ``cpu`` or ``cuda``. What was decided on the other kind of device does not count.
    """
    if checkpoint is not None:
        summary = read_summary(checkpoint.parents[1])
        if str(summary.get("device", "")).startswith(device) and (recorded := summary.get("precision")):
            return str(recorded)
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is not None and hydra.mode == RunMode.MULTIRUN:
        return sweep_precision(Path(hydra.sweep.dir), device)
    return fastest_precision(torch.device(device))


def sweep_precision(sweep: Path, device: str) -> str:
    """Return the precision of all jobs of a sweep: the first job to ask decides and writes ``precision.json``.

    Args:
        sweep: The sweep's folder.
        device: ``cpu`` or ``cuda``.
    """
    path = sweep / "precision.json"
    with lock(sweep / ".precision.lock", wait=True):
        decided: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
        if device not in decided:
            decided[device] = fastest_precision(torch.device(device))
            write_whole(path, json.dumps(decided) + "\n")
    return decided[device]
