"""An Optuna study as a sweep sees it: persistent, shared by workers, and carried on after any end of any of them."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import optuna
from hydra.utils import instantiate
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from adain.runtime.errors import UserError
from adain.sweeps.space import Axis, number

if TYPE_CHECKING:
    from adain.training.pruning import PruneTrial

optuna.logging.set_verbosity(optuna.logging.WARNING)
_WAIT = 60  # seconds a worker waits for another's write to sqlite


def storage_url(storage: str | None, folder: Path) -> str:
    """Return the database: as given, or ``study.db`` in the sweep's folder."""
    return storage or f"sqlite:///{(folder / 'study.db').resolve()}"


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Return a database that several workers may use.

    Raises:
        UserError: If it cannot be opened.
    """
    arguments = {"connect_args": {"timeout": _WAIT}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    path = sqlite_file(url)
    if path is not None and not path.parent.is_dir():
        raise UserError(f"hydra.sweeper.storage={url}: there is no folder {path.parent}: make it, or leave storage out")
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
    except Exception as error:  # every database driver has errors of its own
        first = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"hydra.sweeper.storage cannot be opened ({type(error).__name__}: {first}): give a database URL such as "
            "sqlite:///logs/optuna.db, or leave it out"
        ) from None


def sqlite_file(url: str) -> Path | None:
    """Return the file of an sqlite URL."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def distributions(axes: Sequence[Axis]) -> dict[str, BaseDistribution]:
    """Return the search space in Optuna's words. Listed values are kept as the text that was typed."""
    return {axis.typed: _distribution(axis) for axis in axes}


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.values and (axis.step is None or (axis.log and (not axis.integer or axis.step != 1))):
        return CategoricalDistribution(axis.values)
    if axis.integer:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def override_text(value: Any, distribution: BaseDistribution) -> str:
    """Return a drawn value as an override has it."""
    if isinstance(distribution, CategoricalDistribution):
        return str(value)
    return number(value, isinstance(distribution, IntDistribution))


def size(space: dict[str, BaseDistribution]) -> float:
    """Return how many combinations there are; infinite with an interval of numbers."""
    total = 1.0
    for distribution in space.values():
        if isinstance(distribution, CategoricalDistribution):
            total *= len(distribution.choices)
        elif isinstance(distribution, IntDistribution):
            total *= 1 + (distribution.high - distribution.low) // distribution.step
        elif isinstance(distribution, FloatDistribution) and distribution.step is not None:
            total *= 1 + round((distribution.high - distribution.low) / distribution.step)
        else:
            total = math.inf
    return total


def open_study(
    url: str,
    name: str,
    axes: Sequence[Axis],
    fixed: Sequence[str],
    mode: str,
    sampler: Any,
    pruner: Any,
    values: int = 1,
) -> optuna.Study:
    """Return a study that is there, or a new one.

    Args:
        url: Of the database.
        name: Of the study.
        axes: The search space.
        fixed: Overrides of every trial: trials of other settings would not be comparable.
        mode: ``min`` or ``max``.
        sampler: Optuna's.
        pruner: Optuna's.
        values: How many figures each trial comes to.

    Raises:
        UserError: If a study of that name searches something else.
    """
    storage = open_storage(url)
    space = {key: json.loads(optuna.distributions.distribution_to_json(d)) for key, d in distributions(axes).items()}
    facts = {"space": space, "fixed": sorted(fixed), "text": [axis.text for axis in axes]}
    direction: Literal["minimize", "maximize"] = "minimize" if mode == "min" else "maximize"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=storage, study_name=name, directions=[direction] * values, sampler=sampler, pruner=pruner,
            load_if_exists=True,
        )  # fmt: skip
    before = study.user_attrs
    if not before and not study.get_trials(deepcopy=False):
        for key, value in facts.items():
            study.set_user_attr(key, value)
        before = facts
    other = "give it another name with hydra.sweeper.study_name=NAME, or use the same settings"
    if before.get("space") != space:
        held = "; ".join(before.get("text") or ["something of another program's"])
        raise UserError(f"the study {name} searches {held}, not {'; '.join(facts['text'])}: {other}")
    if [each.name.lower() for each in study.directions] != [direction] * values:
        raise UserError(f"the study {name} does not {direction} its value: {other}")
    if before.get("fixed") != facts["fixed"]:
        unlike = sorted(set(before.get("fixed", [])) ^ set(facts["fixed"]))
        raise UserError(f"the study {name} was made with other settings ({', '.join(unlike)}): {other}")
    return study


def finished(study: optuna.Study) -> int:
    """Return how many trials came to a figure."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def prune_trial(hydra: Any, metric: str) -> PruneTrial:
    """Return the callback of the trial that a sweep's job is."""
    from adain.training.pruning import PruneTrial

    sweeper = hydra.sweeper
    storage = open_storage(storage_url(sweeper.storage, Path(hydra.sweep.dir)))
    study = optuna.load_study(study_name=sweeper.study_name, storage=storage, pruner=instantiate(sweeper.pruner))
    running = study.get_trials(deepcopy=False)[int(hydra.sweep.subdir)]
    return PruneTrial(optuna.Trial(study, running._trial_id), metric)
