"""Compose and check the configuration as the task will see it, before importing torch and creating folders."""

from __future__ import annotations

import warnings
from functools import cache

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, flag_override
from omegaconf.errors import OmegaConfBaseException

from adain.cli.preflight.explain import explain
from adain.cli.preflight.training import check_recipe
from adain.cli.preflight.values import check
from adain.runtime.conf import group_choices, root_of
from adain.runtime.errors import InputError, UserError

# Our launcher files share the plugins' names on purpose, so that Hydra validates them against the plugins' keys.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def preflight(config: str, overrides: list[str]) -> DictConfig:
    """Compose the configuration and check it.

    Returns:
        The configuration. The files it names are not checked; see ``training.check_files``.

    Raises:
        UserError: If a key or value is wrong. The message says what is allowed and what to do.
    """
    groups = tuple(override for override in overrides if is_group(config, override))
    try:
        composed = compose_config(config, overrides)
        check_recipe(config, composed, dict(HydraConfig.get().runtime.choices), overrides)
        check(config, composed, overrides, lambda: _default(config, groups))
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a group set to null
        raise UserError(explain(error, overrides, lambda: _default(config, groups))) from None
    return composed


@cache  # most jobs of a sweep share their groups
def _default(config: str, groups: tuple[str, ...]) -> DictConfig:
    return compose_config(config, list(groups))


def compose_config(config: str, overrides: list[str]) -> DictConfig:
    """Return the configuration as the task will see it, except for the run's folder."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(root_of(config)), version_base="1.3"):
        composed = compose(config, overrides, return_hydra_config=True)
    composed.hydra.runtime.output_dir = "RUN"
    HydraConfig.instance().set_config(composed)
    with flag_override(composed, ["struct", "readonly"], [False, False]):
        composed.pop("hydra")
    return composed


def is_group(command: str, override: str) -> bool:
    """Return whether an override selects one of a group's files. With a leading + or ~ it does not."""
    return bool(group_choices(command, override.partition("=")[0].partition("@")[0]))
