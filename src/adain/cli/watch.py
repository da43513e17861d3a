"""``make watch``: W&B's terminal dashboard over the local runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from adain.cli.app import fail, start

_LOOK_EVERY = 5.0  # seconds


def watch(typed: list[str]) -> None:
    """Open ``wandb leet`` on every run below ``logs``, or on ``run=PATH``, a run's or a sweep's folder."""
    if {"--help", "-h"} & set(typed):
        print("make watch [run=PATH] : W&B's terminal dashboard over the runs below logs=logs, or over one's folder")
        return
    given = dict(argument.partition("=")[::2] for argument in typed)
    if unknown := sorted(set(given) - {"run", "logs"}):
        fail(f"unknown key {unknown[0]}: make watch takes run=PATH and logs=PATH")
    logs = Path(given.get("logs") or "logs").expanduser()
    root = Path(given.get("run") or logs).expanduser()
    if not gather(root, logs / "wandb"):
        fail(f"{root} holds no W&B run: train one with make train, or give run=PATH of a run's folder")
    with subprocess.Popen([sys.executable, "-m", "wandb", "leet", str((logs / "wandb").resolve())]) as dashboard:
        while dashboard.poll() is None:
            try:
                dashboard.wait(_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                gather(root, logs / "wandb")  # the runs that a sweep has started meanwhile
            except KeyboardInterrupt:
                continue  # the terminal sends it to the dashboard too, which ends by itself
            except SystemExit:  # SIGTERM and SIGHUP come to this process alone
                dashboard.terminate()
                raise
    sys.exit(dashboard.returncode)


def gather(root: Path, folder: Path) -> int:
    """Make a folder hold a link to each W&B run below another, and no other link: the dashboard reads one folder.

    Returns:
        How many runs there are.
    """
    # logs/ may hold a million stylized pictures beside the runs
    below = [root / name for name in ("runs", "sweeps") if (root / name).is_dir()] or [root]
    runs = [run for place in below for run in place.resolve().rglob("wandb/*run-*") if run.is_dir()]
    found = {run.name: run.resolve() for run in runs}
    if found:
        folder.mkdir(parents=True, exist_ok=True)
        for link in folder.iterdir():
            if link.is_symlink() and link.name not in found:
                link.unlink()
    for name, run in found.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(run, target_is_directory=True)
    return len(found)


def main() -> None:
    """Run the command."""
    start(watch)


if __name__ == "__main__":
    main()
