"""List the jobs of a multirun and check all of them before the first starts."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from adain.cli.preflight.compose import compose_config, preflight
from adain.cli.preflight.explain import explain
from adain.cli.preflight.extras import check_extras
from adain.cli.preflight.training import check_files
from adain.cli.preflight.values import check_value
from adain.runtime.conf import root_of
from adain.runtime.errors import InputError, UserError
from adain.runtime.extras import install_command
from adain.runtime.schema import Seed
from adain.sweeps.space import Axis, grid, objectives, overrides_of, probes, split


def preflight_jobs(config: str, overrides: list[str]) -> MultirunPlan:
    """Compose and check every job of a multirun, or every value of a search space that can be listed.

    Raises:
        UserError: If a job cannot run. The message is about the first such job.
    """
    plan = plan_jobs(config, overrides)
    for values in probes(plan.axes) if plan.sampled else grid(plan.axes):
        composed = preflight(config, [*plan.fixed, *overrides_of(values)]).config
        check_extras(config, composed)
        check_files(composed)
    return plan


@dataclass(frozen=True)
class MultirunPlan:
    """The jobs of a multirun.

    Attributes:
        fixed: Overrides that all jobs share.
        axes: The swept keys and their values.
        sampled: Whether a sampler draws from the axes; if not, every combination runs.
        folder: The sweep's folder.
        config: The configuration of the fixed overrides, including Hydra's own.
    """

    fixed: list[str]
    axes: list[Axis]
    sampled: bool
    folder: Path
    config: DictConfig


def plan_jobs(config: str, overrides: list[str]) -> MultirunPlan:
    """Split the overrides of a multirun into fixed ones and swept axes.

    Raises:
        UserError: If an override cannot be read, or the fixed ones do not compose.
    """
    try:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(root_of(config)), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            fixed, _ = split({}, overrides, loader)
            composed = compose(config, fixed, return_hydra_config=True)
            fixed, axes = split(composed.hydra.sweeper.get("params"), overrides, loader)
            fixed, _ = objectives(fixed)
            HydraConfig.instance().set_config(composed)
            folder = Path(composed.hydra.sweep.dir)
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UserError(explain(error, overrides, lambda: compose_config(config, []))) from None
    for key in ("n_trials", "n_jobs", "seeds"):
        value = composed.hydra.sweeper.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"hydra.sweeper.{key}={value} is not allowed: give a whole number of at least 1")
    seed = OmegaConf.select(composed, "hydra.sweeper.sampler.seed")
    if seed is not None:
        check_value("hydra.sweeper.sampler.seed", seed, Seed)
    if "n_trials" in composed.hydra.sweeper and find_spec("optuna") is None:
        raise UserError(f"sweep=optuna needs Optuna, which is missing: {install_command('sweep')}")
    return MultirunPlan(fixed, axes, "n_trials" in composed.hydra.sweeper, folder, composed)
