"""The folder of W&B runs that ``wandb leet``, the terminal dashboard, is opened on."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml


def gather(root: Path, folder: Path) -> int:
    """Make a folder of links show each W&B run below another, and nothing else: the dashboard reads one folder.

    It lists folders by their names, which W&B makes of a time and a random word. Here they are the time and the run's name.

    Args:
        root: Searched for W&B's folders.
        folder: Made for this alone: links of runs that are gone are removed from it.

    Returns:
        How many runs there are.
    """
    # logs/ may hold a million stylized pictures beside the runs
    below = [root / name for name in ("runs", "sweeps") if (root / name).is_dir()] or [root]
    runs = [run for place in below for run in place.resolve().rglob("wandb/*run-*") if _is_run(run)]
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
    for place in folder.iterdir():
        if place not in shown:
            for link in place.iterdir():
                link.unlink()
            place.rmdir()
    for link, target in links.items():
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    return len(shown)


def _is_run(folder: Path) -> bool:
    """Return whether a folder is a run's own, not the links that earlier versions kept in ``logs/wandb``."""
    return folder.is_dir() and not folder.is_symlink() and not (folder / "files").is_symlink()


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
