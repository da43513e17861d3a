"""Where the configuration is: beside ``src/`` in a checkout, inside the package where it is installed."""

from __future__ import annotations

from pathlib import Path


def conf_dir() -> Path:
    """Return the folder of all configuration files, the root of training's."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def root_of(command: str) -> Path:
    """Return the folder of a command's primary file.

    Commands that use what was trained stand in ``conf/inference``, whose group ``model`` holds only what they read.
    """
    inference = conf_dir() / "inference"
    return inference if (inference / f"{command}.yaml").is_file() else conf_dir()


def group_file(command: str, group: str, name: str) -> Path | None:
    """Return the file of a choice among a group's, or None. A command's own root comes before ``conf``, as in Hydra."""
    files = [root / group / f"{name}.yaml" for root in (root_of(command), conf_dir())]
    return next((file for file in files if file.is_file()), None)


def group_choices(command: str, group: str) -> list[str]:
    """Return the choices of a group, sorted. Of a group that a command's own root has, only those count."""
    roots = [root / group for root in (root_of(command), conf_dir())]
    folder = next((root for root in roots if root.is_dir()), None)
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []
