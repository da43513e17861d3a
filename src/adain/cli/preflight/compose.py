"""Compose and check the configuration as the task will see it, before importing torch and creating folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from adain.cli.preflight.explain import explain
from adain.cli.preflight.training import check_recipe
from adain.cli.preflight.values import check
from adain.runtime.conf import group_choices, root_of
from adain.runtime.errors import InputError, UserError
from adain.runtime.files import make_free_folder

# Our launcher files share the plugins' names on purpose, so that Hydra validates them against the plugins' keys.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


class Composed(NamedTuple):
    """A configuration as the task will see it, except for the run's folder, and Hydra's own part of it."""

    config: DictConfig
    hydra: DictConfig


def preflight(config: str, overrides: list[str]) -> Composed:
    """Compose the configuration and check it.

    Returns:
        The configuration. The files it names are not checked; see ``training.check_files``.

    Raises:
        UserError: If a key or value is wrong. The message says what is allowed and what to do.
    """
    groups = tuple(override for override in overrides if is_group(config, override))
    try:
        composed = _compose(config, overrides)
        check_recipe(config, composed.config, dict(composed.hydra.runtime.choices), overrides)
        check(config, composed.config, overrides, lambda: _default(config, groups))
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
    return _compose(config, overrides).config


def _compose(config: str, overrides: list[str], folder: str = "RUN") -> Composed:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(root_of(config)), version_base="1.3"):
        composed = compose(config, overrides, return_hydra_config=True)
    composed.hydra.runtime.output_dir = folder
    HydraConfig.instance().set_config(composed)
    with flag_override(composed, ["struct", "readonly"], [False, False]):
        return Composed(composed, composed.pop("hydra"))


@contextmanager
def hydra_set_aside() -> Iterator[None]:
    """Clear Hydra's state, of which a process has one, for another configuration, and restore it at the end."""
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = config


@contextmanager
def nested_config(config: str, overrides: Sequence[str], folder: Path) -> Iterator[DictConfig]:
    """Yield another command's configuration, with its output folder, in place of the running command's until the end."""
    with hydra_set_aside():
        yield _compose(config, list(overrides), str(folder)).config


def run_composed(name: str, composed: Composed, task: TaskFunction) -> None:
    """Run a task on what ``preflight`` composed of a primary configuration, as Hydra's own runner does.

    ``hydra.main`` would compose the same configuration twice more, which takes a quarter of a second. A folder that is
    named after the second gets a number behind its name where another process has it.
    """
    config, hydra = composed
    with flag_override(config, "struct", False):
        config.hydra = hydra
    with flag_override(config.hydra, "readonly", False):
        config.hydra.mode = RunMode.RUN
        given: Any = OmegaConf.to_container(hydra.run)
        if "%S" in (written := str(given["dir"])):
            folder = Path(hydra.run.dir)
            config.hydra.run.dir = written + make_free_folder(folder).name.removeprefix(folder.name)
    configure_log(hydra.hydra_logging, hydra.verbose)
    callbacks = Callbacks(config)
    with initialize_config_dir(str(root_of(name)), version_base="1.3"):
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        callbacks.on_run_start(config, config_name=name)
        result = run_job(task, config, "hydra.run.dir", None, context)
        callbacks.on_run_end(config, config_name=name, job_return=result)
    _ = result.return_value  # raises the task's error


def is_group(command: str, override: str) -> bool:
    """Return whether an override selects one of a group's files. With a leading + or ~ it does not."""
    return bool(group_choices(command, override.partition("=")[0].partition("@")[0]))
