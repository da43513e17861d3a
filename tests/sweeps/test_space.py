"""Hydra's sweep syntax, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from adain.runtime.errors import UserError
from adain.sweeps.space import grid, naming, overrides_of, probes, split, wandb_parameters
from adain.sweeps.wandb_file import write_wandb_sweep


def test_what_is_fixed_and_what_is_swept() -> None:
    fixed, axes = split({}, ["experiment=smoke", "model.style_weight=1,5", "optimizer.lr=1e-4"])
    assert fixed == ["experiment=smoke", "optimizer.lr=1e-4"]
    assert [(axis.key, axis.values) for axis in axes] == [("model.style_weight", ("1", "5"))]


def test_what_is_typed_replaces_a_named_sweeps_values() -> None:
    _, axes = split({"seed": "1,2,3", "optimizer.lr": "range(1,3)"}, ["seed=7,8"])
    assert {axis.key: axis.values for axis in axes} == {"seed": ("7", "8"), "optimizer.lr": ("1", "2")}
    fixed, axes = split({"seed": "1,2,3"}, ["seed=7"])
    assert (fixed, axes) == (["seed=7"], [])


def test_every_combination_once() -> None:
    _, axes = split({}, ["a=1,2", "b=x,y,z"])
    found = {tuple(job.values()) for job in grid(axes)}
    assert found == {(a, b) for a in "12" for b in "xyz"}
    assert len(grid(axes)) == 6


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["a=interval(5,1)"], "is not an interval"),
        (["a=range(5,1)"], "gives no values"),
        (["a=range(1,2,0)"], "never ends: give a step other than 0"),
        (["a=range(1.0,2.0,0.0)"], "never ends"),
        (["a=1,2,1"], "gives 1 twice"),
        (["a=tag(log,interval(0,1))"], "begins above 0"),
        (["a=tag(log,choice(1,2))"], "log belongs to"),
    ],
)
def test_a_space_that_cannot_be(typed: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        split({}, typed)


def test_a_grid_of_nothing_and_of_an_interval() -> None:
    with pytest.raises(UserError, match="nothing is swept"):
        grid([])
    with pytest.raises(UserError, match="sweep=optuna"):
        grid(split({}, ["a=interval(0,1)"])[1])


def test_probes_hold_every_value_and_both_ends() -> None:
    _, axes = split({}, ["a=1,2,3", "b=interval(0.5,9)", "c=int(interval(2,4))"])
    found = probes(axes)
    assert {job["a"] for job in found} == {"1", "2", "3"}
    assert {float(job["b"]) for job in found} == {0.5, 9.0}
    assert {job["c"] for job in found} == {"2", "4"}


def test_a_jobs_name_group_and_tags() -> None:
    fixed = ["seed=1", "run.tags=[mine]", "run.name=try"]
    rest, names = naming(fixed, {"model.style_weight": "5", "+data.x": "'a b'"}, "grid/now")
    assert rest == ["seed=1"]
    values = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(names)}
    assert values == {
        "run.name": "try style_weight=5 x=a b", "run.group": "grid/now", "run.tags": ["mine", "style_weight=5", "x=a b"],
    }  # fmt: skip
    assert overrides_of({"+a": "1"}) == ["+a=1"]


def test_keys_that_end_alike_keep_their_whole_names() -> None:
    _, names = naming([], {"data.seed": "1", "other.seed": "2"}, "g")
    assert "data.seed=1 other.seed=2" in names[0]


def test_tags_are_as_short_as_wandb_wants() -> None:
    _, names = naming([], {"data.content": "/" + "x" * 200}, "g")
    (tag,) = OverridesParser.create().parse_override(names[2]).value()  # type: ignore[misc]
    assert len(str(tag)) == 64


def test_wandb_parameters() -> None:
    _, axes = split(
        {}, ["w=interval(1,50)", "lr=tag(log,interval(1e-5,1e-3))", "n=int(interval(1,4))", "o=adam,muon",
             "s=range(1,6,step=2)", "f=1e-4,0.5", "b=tag(log,int(interval(2,64)))"],
    )  # fmt: skip
    assert wandb_parameters(axes) == {
        "w": {"distribution": "uniform", "min": 1.0, "max": 50.0},
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-3},
        "n": {"distribution": "int_uniform", "min": 1, "max": 4},
        "o": {"values": ["adam", "muon"]},
        "s": {"values": [1, 3, 5]},
        "f": {"values": [1e-4, 0.5]},
        "b": {"distribution": "q_log_uniform_values", "q": 1, "min": 2, "max": 64},
    }


@pytest.mark.parametrize(("mode", "goal"), [("min", "minimize"), ("max", "maximize")])
def test_wandb_is_told_what_is_monitored_and_in_which_direction(mode: str, goal: str, tmp_path: Path) -> None:
    config = OmegaConf.create({"hydra": {"sweeper": {}}, "monitor": {"metric": "val/style", "mode": mode}})
    fixed, axes = split({}, ["experiment=smoke", "sweep=grid", "optimizer.lr=1,2"])
    write_wandb_sweep(config, fixed, axes, tmp_path / "sweep.yaml")
    written = yaml.safe_load((tmp_path / "sweep.yaml").read_text())
    assert written["metric"] == {"name": "val/style", "goal": goal}
    assert written["parameters"] == {"optimizer.lr": {"values": [1, 2]}}
    assert "experiment=smoke" in written["command"]
    assert "sweep=grid" not in written["command"]
