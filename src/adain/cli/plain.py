"""A configuration as the plain values that the rooms below take."""

from __future__ import annotations

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf


def plain_values(config: DictConfig) -> dict[str, Any]:
    """Return a command's own keys, without Hydra's.

    Raises:
        MissingMandatoryValue: If one was not given.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return cast("dict[str, Any]", OmegaConf.to_container(own, resolve=True, throw_on_missing=True))
