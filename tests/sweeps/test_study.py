"""Optuna studies as sweeps see them, and the sweeper on a made-up task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="optuna comes with the extra `sweep`")

import hydra
from omegaconf import DictConfig

from adain.runtime.conf import root_of
from adain.runtime.errors import UserError
from adain.runtime.files import lock
from adain.sweeps.space import split
from adain.sweeps.study import distributions, open_study, override_text, size
from hydra_plugins.adain_sweepers.grid import launch

SPACE = ["sweep=optuna", "experiment=smoke", "optimizer.lr=interval(1,2)"]


def test_the_syntax_in_optunas_words() -> None:
    _, axes = split(
        {},
        [
            "a=interval(1,50)",
            "b=tag(log,interval(1e-5,1e-3))",
            "c=choice(x,1)",
            "d=range(1,8,step=3)",
            "e=int(interval(1,5))",
            "f=tag(log,int(interval(1,64)))",
        ],
    )
    found = distributions(axes)
    assert found["a"] == optuna.distributions.FloatDistribution(1, 50)
    assert found["b"] == optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True)
    assert found["c"] == optuna.distributions.CategoricalDistribution(("x", "1"))
    assert found["d"] == optuna.distributions.IntDistribution(1, 7, step=3)  # as in a grid, the end is left out
    assert found["e"] == optuna.distributions.IntDistribution(1, 5)
    assert found["f"] == optuna.distributions.IntDistribution(1, 64, log=True)
    assert override_text(1 / 3, found["a"]) == repr(1 / 3)
    assert size({k: found[k] for k in "cde"}) == 2 * 3 * 5
    assert size(found) == float("inf")


@pytest.mark.parametrize(
    ("axes", "fixed", "mode", "words"),
    [
        (["a=interval(0,2)"], [], "min", "searches a in 0..1, not a in 0..2"),
        (["a=interval(0,1)"], ["experiment=paper"], "min", "other settings (experiment=paper)"),
        (["a=interval(0,1)"], [], "max", "does not maximize"),
    ],
)
def test_a_name_that_holds_another_study(
    tmp_path: Path, axes: list[str], fixed: list[str], mode: str, words: str
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    open_study(url, "s", split({}, ["a=interval(0,1)"])[1], [], "min", None, None)
    open_study(url, "s", split({}, ["a=interval(0,1)"])[1], [], "min", None, None)
    with pytest.raises(UserError) as caught:
        open_study(url, "s", split({}, axes)[1], fixed, mode, None, None)
    assert words in str(caught.value)


def test_a_database_that_cannot_be(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'no' / 'x.db'}", "nonsense"):
        with pytest.raises(UserError, match="storage"):
            open_study(url, "s", [], [], "min", None, None)


# --- the sweeper, on jobs that only write a summary -----------------------------------------------------------------


def sweep(cwd: Path, monkeypatch: pytest.MonkeyPatch, task: Any, *overrides: str) -> Any:
    """Runs the sweeper under plain Hydra, without the checks of ``make sweep``, and gives its study."""
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(
        sys, "argv", ["sweep", "--multirun", *SPACE, "hydra.sweep.dir=s", "hydra.sweeper.study_name=t", *overrides]
    )
    hydra.main(version_base="1.3", config_path=str(root_of("train")), config_name="train")(task)()
    return optuna.load_study(study_name="t", storage=f"sqlite:///{cwd / 's' / 'study.db'}")


def write(status: str, value: float, style: float = 0.0) -> None:
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    best = {"val/loss": value, "val/style": style, "step": 1}
    (folder / "summary.json").write_text(json.dumps({"status": status, "best": best}))


def states(study: Any) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_values_failures_and_prunings_reach_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = iter(["finished", "failed", "pruned", "finished"])
    rates: list[float] = []

    def task(config: DictConfig) -> None:
        rates.append(config.optimizer.lr)
        write(next(statuses), -config.optimizer.lr, style=10 * config.optimizer.lr)

    monitor = ["monitor.metric=val/style", "monitor.mode=max"]  # not the default: it is to be asked for
    study = sweep(tmp_path, monkeypatch, task, "hydra.sweeper.n_trials=4", *monitor)
    assert states(study) == ["COMPLETE", "FAIL", "PRUNED", "COMPLETE"]
    assert [trial.params["optimizer.lr"] for trial in study.trials] == rates
    assert study.trials[0].value == 10 * rates[0]
    assert study.best_value == max(10 * rates[0], 10 * rates[3])


@pytest.mark.parametrize("then", ["here", "moved"])
def test_a_killed_worker_is_resumed_with_its_trial_and_its_count(
    then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, float]] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        ran.append((str(HydraConfig.get().sweep.subdir), config.optimizer.lr))
        if len(ran) == 2:
            raise KeyboardInterrupt  # as a kill: nothing is told to the study
        write("finished", 1.0)

    (tmp_path / "here").mkdir()
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path / "here", monkeypatch, task, "hydra.sweeper.n_trials=3")
    (tmp_path / "here").rename(tmp_path / then)
    study = sweep(tmp_path / then, monkeypatch, task, "hydra.sweeper.n_trials=3")
    assert states(study) == ["COMPLETE"] * 3
    assert [number for number, _ in ran] == ["0", "1", "1", "2"]
    assert ran[1] == ran[2]  # the same trial with the same value


def test_a_trial_that_another_worker_holds_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        ran.append(str(HydraConfig.get().sweep.subdir))
        if len(ran) == 1:
            raise KeyboardInterrupt
        write("finished", 1.0)

    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, monkeypatch, task, "hydra.sweeper.n_trials=3")
    with lock(tmp_path / "s" / "0" / ".lock") as held:
        assert held
        study = sweep(tmp_path, monkeypatch, task, "hydra.sweeper.n_trials=3")
    assert states(study) == ["RUNNING", "COMPLETE", "COMPLETE"]
    assert ran == ["0", "1", "2"]


def test_the_grid_sampler_draws_every_combination_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, str]] = []

    def task(config: DictConfig) -> None:
        seen.append((config.optimizer.lr, config.optimizer.schedule))
        write("finished", 1.0)

    overrides = ["hydra/sweeper/sampler=grid", "optimizer.lr=choice(1,2)", "optimizer.schedule=choice(linear,cosine)"]
    study = sweep(tmp_path, monkeypatch, task, *overrides)
    assert sorted(seen) == [(1, "cosine"), (1, "linear"), (2, "cosine"), (2, "linear")]
    assert states(study) == ["COMPLETE"] * 4


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_two_metrics_are_minimized_together(sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs themselves keep the one metric of their recipe, and none is pruned."""
    seen: list[tuple[str, bool]] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        seen.append((config.monitor.metric, HydraConfig.get().sweeper.pruner is None))
        write("finished", -config.optimizer.lr, style=config.optimizer.lr)

    given = [f"hydra/sweeper/sampler={sampler}", "monitor.metric=[val/loss,val/style]", "hydra.sweeper.n_trials=3"]
    study = sweep(tmp_path, monkeypatch, task, *given)
    assert [trial.values for trial in study.trials] == [
        [-trial.params["optimizer.lr"], trial.params["optimizer.lr"]] for trial in study.trials
    ]
    assert {direction.name for direction in study.directions} == {"MINIMIZE"}
    assert len(study.best_trials) == 3  # none is better in both
    assert seen == [("val/loss", True)] * 3
    sweep(tmp_path, monkeypatch, task, *given)  # goes on: nothing is left to do
    assert len(seen) == 3


def test_a_trial_of_several_seeds_is_their_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int, float]] = []

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        ran.append((str(HydraConfig.get().sweep.subdir), config.seed, config.optimizer.lr))
        if len(ran) == 2:
            raise KeyboardInterrupt  # a worker that is killed: the trial's first job is not run again
        write("failed" if len(ran) == 5 else "finished", float(config.seed))

    given = ["hydra.sweeper.n_trials=2", "hydra.sweeper.seeds=2"]
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, monkeypatch, task, *given)
    study = sweep(tmp_path, monkeypatch, task, *given)
    assert [(number, seed) for number, seed, _ in ran] == [("0", 1), ("1", 2), ("1", 2), ("2", 1), ("3", 2)]
    assert len({rate for _, _, rate in ran[:3]}) == 1
    assert states(study) == ["COMPLETE", "FAIL"]  # one seed of the second trial failed
    assert study.trials[0].value == 1.5


def test_a_launcher_that_breaks_off_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def launch(self, batch: Any, initial_job_idx: int) -> None:
            raise ValueError("n_jobs == 0 has no meaning")

    launcher: Any = Broken()
    assert launch(launcher, [["a=1"]]) == []
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "broke off (ValueError: n_jobs == 0 has no meaning)" in text
