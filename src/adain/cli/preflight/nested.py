"""Compose another command's configuration while a command runs, although Hydra has one state per process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, flag_override

from adain.runtime.conf import conf_dir
from adain.runtime.errors import UserError


@contextlib.contextmanager
def hydra_set_aside() -> Iterator[None]:
    """Clear Hydra's state for another configuration, and restore it at the end."""
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = config


@contextlib.contextmanager
def composed(name: str, overrides: Sequence[str], folder: Path) -> Iterator[DictConfig]:
    """Yield another command's configuration, which replaces the running command's until the end.

    Args:
        name: Name of the primary configuration.
        overrides: Overrides as typed for that command.
        folder: Its output folder.

    Raises:
        UserError: If it cannot be composed.
    """
    with hydra_set_aside():
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            try:
                config = compose(name, list(overrides), return_hydra_config=True)
            except Exception as error:
                reason = str(error).splitlines()[0]
                raise UserError(
                    f"training={overrides} cannot be used ({reason}): give overrides of make train"
                ) from None
        config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        with flag_override(config, ["struct", "readonly"], [False, False]):
            config.pop("hydra")
        yield config
