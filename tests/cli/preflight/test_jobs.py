"""Every job of a multirun is checked before the first starts."""

from __future__ import annotations

import pytest

from adain.cli.preflight.jobs import plan_jobs, preflight_jobs
from adain.runtime.errors import UserError


def test_every_combination_is_checked() -> None:
    """Each crop fits one of the sizes, but not the other."""
    given = ["experiment=smoke", "data.crop=32,64", "data.resize=32,64"]
    with pytest.raises(UserError, match=r"data\.crop=64 is larger than data\.resize=32"):
        preflight_jobs("train", given)


def test_every_value_of_a_search_space_is_checked() -> None:
    pytest.importorskip("optuna", reason="optuna comes with the extra `sweep`")
    given = ["experiment=smoke", "sweep=optuna", "optimizer.lr=interval(1e-5,1e-3)", "data.crop=choice(32,64,80)"]
    with pytest.raises(UserError, match=r"data\.crop=80 is larger than data\.resize=72"):
        preflight_jobs("train", given)


def test_a_sampler_takes_the_seeds_that_numpy_takes() -> None:
    with pytest.raises(UserError, match=r"hydra\.sweeper\.sampler\.seed=-1 is too small: give at least 0"):
        plan_jobs("train", ["experiment=smoke", "sweep=optuna", "hydra.sweeper.sampler.seed=-1"])


def test_a_sweep_joins_a_running_ray_cluster() -> None:
    """Which refuses the size of an object store, and the plugin gives one where none is stated."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs the extra `ray`")
    given = ["experiment=smoke", "hydra/launcher=ray", "hydra.launcher.ray.init.address=auto", "seed=1,2"]
    init = plan_jobs("train", given).config.hydra.launcher.ray.init
    init.setdefault("object_store_memory", 78643200)  # as the plugin does
    assert init.object_store_memory is None
