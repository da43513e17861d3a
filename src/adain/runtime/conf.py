"""Locate the configuration files: beside ``src/`` in a checkout, inside the package once installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf


def conf_dir() -> Path:
    """Return the folder of all configuration files, which is also the root for training."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def root_of(command: str) -> Path:
    """Return the folder of a command's primary configuration file.

    Commands that use a trained model live in ``conf/inference``; its ``model`` group holds only the keys they read.
    """
    inference = conf_dir() / "inference"
    return inference if (inference / f"{command}.yaml").is_file() else conf_dir()


def group_file(command: str, group: str, name: str) -> Path | None:
    """Return the file of one choice of a group, or None. The command's own root wins over ``conf``, as in Hydra."""
    files = [root / group / f"{name}.yaml" for root in (root_of(command), conf_dir())]
    return next((file for file in files if file.is_file()), None)


def group_choices(command: str, group: str) -> list[str]:
    """Return the choices of a group, sorted. If the command's own root has the group, only its choices count."""
    roots = [root / group for root in (root_of(command), conf_dir())]
    folder = next((root for root in roots if root.is_dir()), None)
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []


def build(node: DictConfig, **given: Any) -> Any:
    """Call the ``_target_`` of a node with its values and those given.

    For nodes that hold file names: Hydra's ``instantiate`` resolves values twice, and fails at a ``${`` in a name.
    """
    values: Any = OmegaConf.to_container(node, resolve=True)
    arguments = {key: value for key, value in values.items() if not key.startswith("_")}
    return get_method(values["_target_"])(**arguments | given)
