"""The thinnest sweeper for Optuna 5 under Hydra 1.3: ask, launch, tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.runtime.run_folder import read_summary
from adain.sweeps.results import status_of
from adain.sweeps.space import Axis, naming, objectives, overrides_of, split
from hydra_plugins.adain_sweepers.grid import launch


class OptunaSweeper(Sweeper):
    """Runs trials until a study has enough of them.

    A worker holds a lock in the folder of each of its trials. A trial that is still running in the database and whose
    lock is free was cut short with its worker: it goes on, under its number, from its last checkpoint.

    Args:
        n_trials: That came to a figure (finished or pruned), over all workers and resumptions. Failed ones do not count,
            and each call draws as many as are missing.
        n_jobs: Trials launched together.
        seeds: Jobs a trial, which differ in their seed: the trial's figure is their mean.
        study_name, storage: Of the database; see ``adain.sweeps.study``.
        sampler, pruner: Optuna's.
        params: The search space, in Hydra's sweep syntax.
    """

    def __init__(
        self, n_trials: int, n_jobs: int, study_name: str, storage: str | None, sampler: Any, pruner: Any,
        params: dict[str, str] | None = None, seeds: int = 1,
    ) -> None:  # fmt: skip
        self.n_trials, self.n_jobs, self.study_name, self.storage = n_trials, n_jobs, study_name, storage
        self.sampler, self.pruner, self.params, self.seeds = sampler, pruner, params or {}, seeds

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way of handing over."""
        self.loader, self.master = hydra_context.config_loader, config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Ask, launch and tell, batch by batch.

        Raises:
            UserError: If the study cannot be opened or searches something else.
        """
        from adain.sweeps.study import distributions, finished, open_study, size, sqlite_file, storage_url

        self.folder = Path(str(self.master.hydra.sweep.dir))
        self.fixed, axes = split(self.params, arguments, self.loader)
        given = self.fixed
        self.fixed, metrics = objectives(self.fixed)
        self.metrics = metrics or (str(self.master.monitor.metric),)
        if len(self.metrics) > 1 or self.seeds > 1:
            self.fixed.append("hydra.sweeper.pruner=null")  # a job is not the whole of its trial's figures
        self.space = distributions(axes)
        grid = type(self.sampler).__name__ == "BruteForceSampler"
        if grid and math.isinf(size(self.space)):
            raise UserError(
                "hydra/sweeper/sampler=grid needs listed values: give choice(...) or range(...), or sampler=tpe"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        url = storage_url(self.storage, self.folder)
        self.claim = Path(f"{sqlite_file(url) or self.folder / 'study'}.lock")
        with lock(self.claim, wait=True):
            same = [o for o in given if not o.lstrip("+").startswith(("run.", "hydra", "logs="))]
            self.study = open_study(
                url, self.study_name, axes, same, self.master.monitor.mode, self.sampler, self.pruner,
                len(self.metrics),
            )  # fmt: skip
        OmegaConf.save(self.master, self.folder / "multirun.yaml")
        self._say(axes, finished(self.study))
        goal = min(self.n_trials, size(self.space)) if grid else self.n_trials
        left = max(int(goal) - finished(self.study), 0)
        returns = []
        while left > 0:
            with ExitStack() as locks:
                trials = self._claim(min(self.n_jobs, left), int(goal), locks)
                if not trials:
                    break
                todo = [
                    self._overrides(number, params, index)
                    for number, params in trials
                    for index, place in enumerate(self._places(number))
                    if status_of(place) not in ("finished", "pruned")
                ]
                if todo:
                    returns.append(launch(self.launcher, todo))
                for number, _ in trials:
                    self._tell(number)
                left -= len(trials)
        return returns

    def _say(self, axes: Sequence[Axis], done: int) -> None:
        print(f"study {self.study_name}: {'; '.join(axis.text for axis in axes)}")
        print(f"sweep: {self.folder}  ({done} of {self.n_trials} trials done)", flush=True)
        weights = [axis.key for axis in axes if axis.key.endswith("_weight")]
        if weights and "val/loss" in self.metrics:
            print(
                f"note: {' and '.join(weights)} is searched and also weights val/loss, so small weights look good; for a "
                "figure that means the same in every trial give monitor.metric=val/style or val/content"
            )

    def _places(self, number: int) -> list[Path]:
        """Return the folders of a trial's jobs, one a seed."""
        first = Path(self.study.get_trials(deepcopy=False)[number].user_attrs["folder"])
        return [first.parent / str(int(first.name) + index) for index in range(self.seeds)]

    def _claim(self, wanted: int, goal: int, locks: ExitStack) -> list[tuple[int, dict[str, Any]]]:
        """Trials that were cut short, then new ones, each locked to this process."""
        from optuna.trial import TrialState

        taken: list[tuple[int, dict[str, Any]]] = []
        with lock(self.claim, wait=True):
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            alive = 0
            for trial in running:
                if len(taken) < wanted and self._take(trial.user_attrs.get("folder"), trial, locks):
                    taken.append((trial.number, trial.params))
                else:
                    alive += 1
            done = len(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))
            while len(taken) < wanted and done + alive + len(taken) < goal:
                new = self.study.ask(fixed_distributions=self.space)
                self._take(None, new, locks)
                taken.append((new.number, new.params))
        return taken

    def _take(self, folder: str | None, trial: Any, locks: ExitStack) -> bool:
        """Lock a trial's folder. One without a folder is of a worker that ended before it could say where."""
        from optuna import Trial

        place = Path(folder) if folder else self.folder.resolve() / str(trial.number * self.seeds)
        if folder and not place.parent.is_dir() and (self.folder / place.name).is_dir():  # the sweep was moved
            folder, place = None, self.folder.resolve() / place.name
        if not folder:
            live = trial if isinstance(trial, Trial) else Trial(self.study, trial._trial_id)
            live.set_user_attr("folder", str(place))
        elif place.parent != self.folder.resolve():
            return False  # of another worker's sweep folder: resumed there
        place.mkdir(parents=True, exist_ok=True)
        return locks.enter_context(lock(place / ".lock"))

    def _overrides(self, number: int, params: dict[str, Any], index: int) -> Sequence[str]:
        from adain.sweeps.study import override_text

        values = {key: override_text(params[key], self.space[key]) for key in self.space}
        if self.seeds > 1:
            values["seed"] = str(index + 1)
        rest, names = naming(self.fixed, values, f"{self.folder.parent.name}/{self.folder.name}")
        return [*rest, *overrides_of(values), *names, f"hydra.sweep.subdir={number * self.seeds + index}"]

    def _tell(self, number: int) -> None:
        """Tell the study what a trial's folder says. A trial cut short is left running, for ``resume=``."""
        from optuna.trial import TrialState

        places = self._places(number)
        statuses, best = (
            {status_of(place) for place in places},
            [read_summary(place).get("best") or {} for place in places],
        )
        state, values = TrialState.FAIL, None
        if statuses == {"finished"} and all(row.get(metric) is not None for row in best for metric in self.metrics):
            state, values = TrialState.COMPLETE, [fmean(float(row[metric]) for row in best) for metric in self.metrics]
        elif statuses == {"pruned"}:
            state = TrialState.PRUNED
        elif not statuses <= {"finished", "failed"}:
            return
        try:
            self.study.tell(number, values, state)
        except RuntimeError as error:  # a sampler that has drawn everything wants to end a loop that is not Optuna's
            if "stop" not in str(error).lower():
                raise
