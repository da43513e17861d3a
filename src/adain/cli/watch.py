"""``make watch``: W&B's terminal dashboard over the local runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

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
    """Make a folder show each W&B run below another, and nothing else: the dashboard reads one folder.

    It lists folders by their names, which W&B makes of a time and a random word. Here they are the time and the run's name.

    Returns:
        How many runs there are.
    """
    # logs/ may hold a million stylized pictures beside the runs
    below = [root / name for name in ("runs", "sweeps") if (root / name).is_dir()] or [root]
    runs = [run for place in below for run in place.resolve().rglob("wandb/*run-*") if run.is_dir()]
    links: dict[Path, Path] = {}
    for run in runs:
        stamp, _, identity = run.name.partition("run-")[2].partition("-")
        name = run_name(run.parents[1])
        place = folder / f"run-{stamp}-{name}"
        if place / "files" in links:  # two of one name in one second
            name = f"{name} {identity}"
            place = folder / f"run-{stamp}-{name}"
        links |= {place / "files": run / "files", place / f"run-{name}.wandb": run / f"run-{identity}.wandb"}
    shown = {link.parent for link in links}
    for place in folder.glob("*run-*") if links else ():
        if place.is_symlink():  # of version 0.2.0
            place.unlink()
        elif place not in shown:
            shutil.rmtree(place)  # links alone
    for link, target in links.items():
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    return len(shown)


@cache
def run_name(folder: Path) -> str:
    """Return the name of a run's folder: what was typed, else its recipe; of a sweep's job its number and swept values.

    The dashboard's list is narrow, and shows the keys of the values beside it.
    """
    try:
        name = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())["run"]["name"]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        name = None
    if name and folder.name.isdigit():
        name = f"{folder.name} {re.sub(r'[^ =]+=', '', str(name))}"
    return str(name or folder.parent.name).replace("/", " ")


def main() -> None:
    """Run the command."""
    start(watch)


if __name__ == "__main__":
    main()
