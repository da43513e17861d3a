"""Every command in this process, at its smallest, and what can be seen of what it did."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import itertools
import json
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, flag_override

from adain.data.scan_cache import ScanCache, ScanResult, conditions
from adain.runtime.conf import root_of
from adain.runtime.mistakes import mistake
from adain.training.trainer import build_trainer
from tests.helpers.pictures import draw
from tests.helpers.settings import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "run_0_1"

Settings = tuple[str, ...]


class Enough(Exception):
    """A stand-in has seen what there is to see."""


Changes = tuple[tuple[str, Any], ...]


@dataclass
class Done:
    """A command that ended.

    Attributes:
        folder: Where it worked.
        output: Its own folder, where Hydra gives it one.
        text: All that was printed.
        error: Why it was refused; None if it was not.
        asked: What stand-ins of other programs were asked for (see ``stand_ins``), by name.
        calls: Of networks and their layers, by the shape of what they were given.
        result: What it returned.
    """

    folder: Path
    output: Path
    text: str = ""
    error: str | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    calls: Counter[tuple[int, ...]] = field(default_factory=Counter)
    result: Any = None

    @cached_property
    def files(self) -> dict[str, bytes]:
        """All that is in it, by path."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    @cached_property
    def summary(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.output / "summary.json").read_text())
        return loaded

    @cached_property
    def checkpoint(self) -> dict[str, Any]:
        loaded: dict[str, Any] = torch.load(self.output / "checkpoints" / "last.ckpt", weights_only=True)
        return loaded

    def rows(self, pattern: str) -> list[dict[str, str]]:
        """Of the one CSV file of that name."""
        (path,) = self.folder.rglob(pattern)
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def read_json(self, pattern: str) -> Any:
        """The one file of that name."""
        (path,) = self.folder.rglob(pattern)
        return json.loads(path.read_text())


class Commands:
    """Runs commands, each at most once with the same settings.

    Args:
        root: A folder for all they write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._composed: dict[tuple[str, Settings], bytes] = {}
        self._done: dict[tuple[str, Settings, str, int], Done] = {}
        self.asked: list[tuple[str, Any]] = []
        self._numbers = itertools.count()
        self.inputs = root / "inputs"
        draw_inputs(self.inputs)

    def run(self, command: str, given: Settings, changes: Changes = (), again: int = 0) -> Done:
        """A command with settings as typed, then some keys changed.

        Args:
            command: The name of its configuration. Or ``trainer``: a training as far as Lightning's Trainer; or ``sweep``:
                all but its jobs.
            given: Groups and keys as typed.
            changes: Keys and values.
            again: To run the same anew.
        """
        asked = (command, given, str(changes), again)
        if asked not in self._done:
            self._done[asked] = self._run(command, given, changes)
        return self._done[asked]

    def _run(self, command: str, given: Settings, changes: Changes) -> Done:
        folder = self.root / str(next(self._numbers))
        done = Done(folder, folder / "logs" / "run", asked=[])
        done.output.mkdir(parents=True)
        self.asked = done.asked
        shutil.copytree(self.inputs / "there", folder / "there")
        config = self._configure(command, given, changes, done.output)
        text = io.StringIO()
        see = torch.nn.modules.module.register_module_forward_pre_hook(lambda _, x: done.calls.update(_shapes(x)))
        with contextlib.chdir(folder), contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            try:
                done.result = self._function(command)(config)
            except Enough:
                pass
            except Exception as error:
                done.error = mistake(error)
                if done.error is None:
                    raise
            finally:
                see.remove()
        done.text = text.getvalue()
        return done

    def _function(self, command: str) -> Callable[[DictConfig], Any]:
        if command == "trainer":
            return lambda config: build_trainer(config, [], [])
        if command == "sweep":
            return self._sweep
        function: Callable[[DictConfig], Any] = getattr(importlib.import_module(f"adain.cli.{command}"), command)
        return function

    def _sweep(self, config: DictConfig) -> None:
        """A sweep without its jobs: what they would be is told."""
        sweeper = instantiate(config.hydra.sweeper)
        sweeper.loader, sweeper.master, sweeper.launcher = None, config, self
        sweeper.sweep([])
        if (study := getattr(sweeper, "study", None)) is not None:
            pruner = vars(study.pruner)
            found = {"study": study.study_name, "pruner startup": pruner["_n_startup_trials"]}
            self.asked += {**found, "pruner warmup": pruner["_n_warmup_steps"]}.items()

    def launch(self, batch: list[list[str]], initial_job_idx: int) -> None:
        """In a launcher's place."""
        self.asked.append(("batch", len(batch)))
        for words in batch:
            given = dict(word.partition("=")[::2] for word in words)
            self.asked.append(("lr", given["optimizer.lr"]))
            folder = Path("logs", "run", given["hydra.sweep.subdir"])
            folder.mkdir(exist_ok=True)
            (folder / "summary.json").write_text(
                f'{{"status": "finished", "best": {{"val/loss": {given["optimizer.lr"]}}}}}'
            )

    def _found(self, value: Any) -> Any:
        """With the path of what ``INPUTS`` stands for."""
        if isinstance(value, list):
            return [self._found(one) for one in value]
        return value.replace("INPUTS", str(self.inputs)) if isinstance(value, str) else value

    def _configure(self, command: str, given: Settings, changes: Changes, output: Path) -> DictConfig:
        """The configuration as the command sees it; composed once, for Hydra takes longer than most runs."""
        if (command, given) not in self._composed:
            GlobalHydra.instance().clear()
            last = {word.partition("=")[0]: self._found(word) for word in given}  # of a key that is given twice
            name = "train" if command in ("trainer", "sweep") else command
            with initialize_config_dir(str(root_of(name)), version_base="1.3"):
                composed = compose(name, list(last.values()), return_hydra_config=True)
            OmegaConf.set_readonly(composed.hydra, False)
            self._composed[command, given] = pickle.dumps(composed)  # a seventh of the time that copy.deepcopy takes
        config: DictConfig = pickle.loads(self._composed[command, given])
        for key, value in changes:
            OmegaConf.update(config, key, self._found(value))  # refuses a key that is not there
        config.hydra.runtime.output_dir = str(output)
        config.hydra.sweep.dir = str(output)
        HydraConfig.instance().set_config(config)
        if command == "sweep":
            return config
        with flag_override(config, ["struct", "readonly"], [False, False]):
            config.pop("hydra")
        return config


def _shapes(given: Any) -> list[tuple[int, ...]]:
    return [tuple(x.shape) for x in given if isinstance(x, torch.Tensor) and x.ndim == 4]


# --- inputs ---------------------------------------------------------------------------------------------------------


def draw_inputs(inputs: Path) -> None:
    """Makes the files that the table names below ``inputs``."""
    from tests.helpers import clips  # needs PyAV

    for kind, count in (("content", 10), ("style", 10), ("others", 10)):
        for number in range(count):
            draw(inputs / kind / f"{kind[0]}{number}.png", 100 * ord(kind[0]) + number, (32, 24))
    draw(inputs / "other_style" / "s0.png", 9, (32, 24))
    draw(inputs / "pair" / "p0.png", 8, (32, 24))
    (inputs / "there").mkdir()
    (inputs / "there" / "best.ckpt").touch()
    draw(inputs / "there" / "result.png", 3, (32, 24))
    draw(inputs / "content" / "small.png", 4, (32, 20))
    draw(inputs / "content" / "large.png", 1, (40, 40))
    draw(inputs / "mask.png", 2, (32, 24))
    (inputs / "held_out.txt").write_text("c0.png\ns0.png\n")
    register = ScanCache(inputs / "manifest.sqlite")
    for path in list((inputs / "content").glob("c*.png"))[1:]:
        known = path.stat()
        under = conditions(89478485, 16)
        register.add([ScanResult(str(path), known.st_size, known.st_mtime_ns, under, "it is known to be bad")])
    register.close()
    shutil.copytree(FIXTURE, inputs / "run")
    (inputs / "logs").mkdir()
    (inputs / "logs" / "latest").symlink_to(inputs / "run", target_is_directory=True)
    draw(inputs / "wide.png", 5, (320, 40))
    for number in range(10):
        draw(inputs / "outputs" / f"o{number}_s{number}.png", 6, (32, 24))
    clips.write(inputs / "clip.mp4", clips.moving(8, (32, 32)), audio=None)


def keep_checkpoint(done: Done, folder: Path) -> None:
    """For other runs to begin with."""
    folder.mkdir()
    shutil.copy(done.output / "checkpoints" / "last.ckpt", folder)
