"""A configuration as the plain values that the rooms below take."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf, open_dict


def plain_values(config: DictConfig) -> dict[str, Any]:
    """Return a command's own keys, without Hydra's.

    Raises:
        MissingMandatoryValue: If one was not given.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return cast("dict[str, Any]", OmegaConf.to_container(own, resolve=True, throw_on_missing=True))


def as_fields(kind: type, config: DictConfig, **given: Any) -> dict[str, Any]:
    """Return a dataclass's arguments: those given, and the others from the keys of their names."""
    values = plain_values(config) | given
    return {field.name: values[field.name] for field in dataclasses.fields(kind)}


def make_loggers(config: DictConfig, folder: Path) -> list[Any]:
    """Return Lightning's loggers of ``config.logger``, which write into the folder; none if none is configured."""
    from hydra.utils import instantiate

    with open_dict(config):
        for logger in (config.logger or {}).values():
            logger["folder" if "folder" in logger else "save_dir"] = str(folder)
    return list(instantiate(config.logger).values()) if config.logger else []
