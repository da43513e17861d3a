"""The folder of W&B runs that ``wandb leet``, the terminal dashboard, is opened on."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import yaml


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
