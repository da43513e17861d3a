"""A configuration composed and checked as the task will see it, before torch is imported and any folder is made."""

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
from adain.runtime.errors import UserError

# A launcher's file of ours has the plugin's name, and is checked against the plugin's own keys: as it should be.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def preflight(config: str, overrides: list[str]) -> DictConfig:
    """Composes the configuration and checks it.

    Returns:
        The configuration. Files that it names are not looked at: see ``training.check_files``.

    Raises:
        UserError: What is wrong, what is allowed and what to do.
    """
    groups = tuple(override for override in overrides if is_group(config, override))
    try:
        composed = compose_config(config, overrides)
        check_recipe(config, composed, dict(HydraConfig.get().runtime.choices), overrides)
        check(config, composed, overrides, lambda: _default(config, groups))
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a group set to null
        raise UserError(explain(error, overrides, lambda: _default(config, groups))) from None
    return composed


@cache  # the same for most jobs of a sweep
def _default(config: str, groups: tuple[str, ...]) -> DictConfig:
    return compose_config(config, list(groups))


def compose_config(config: str, overrides: list[str]) -> DictConfig:
    """The configuration as the task will see it, the run's folder left open."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(root_of(config)), version_base="1.3"):
        composed = compose(config, overrides, return_hydra_config=True)
    composed.hydra.runtime.output_dir = "RUN"
    HydraConfig.instance().set_config(composed)
    with flag_override(composed, ["struct", "readonly"], [False, False]):
        composed.pop("hydra")
    return composed


def is_group(command: str, override: str) -> bool:
    """Whether an override chooses among a group's files. One with + or ~ before it does not."""
    return bool(group_choices(command, override.partition("=")[0].partition("@")[0]))
