"""Fixtures of the whole suite. Weights and sample pictures come from set-up's cache; no test reaches the network."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra._internal.hydra import Hydra

from adain.encoder import Encoder

# Nobody is logged in to W&B, whatever the machine knows.
for name in ("WANDB_API_KEY", "WANDB_MODE"):
    os.environ.pop(name, None)
os.environ["NETRC"] = os.devnull


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real, verified VGG-19."""
    return Encoder.load("vgg19_normalised")


@pytest.fixture(scope="session", autouse=True)
def _compose_once_less() -> Iterator[None]:
    """Hydra composes a configuration twice, first for ``hydra.mode`` alone, which only a word about Hydra can set.

    The commands that run in this process are many; those with a process of their own do it as Hydra does.
    """
    real = Hydra.get_mode

    def get_mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        words = [override.lstrip("+~").partition("=")[0].partition(".")[0] for override in overrides]
        return real(self, config_name, overrides) if {"hydra", "sweep"} & set(words) else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", get_mode)
        yield


@pytest.fixture
def pictures() -> torch.Tensor:
    """Two smooth random pictures, 2 x 3 x 48 x 40."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(2, 3, 6, 5, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(48, 40), mode="bicubic").clamp(0, 1)


@dataclass
class Run:
    """A finished command and the folder it worked in."""

    folder: Path
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found

    def checkpoint(self, name: str = "last") -> dict[str, Any]:
        loaded: dict[str, Any] = torch.load(self.folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        return loaded

    def decoder(self, name: str = "last") -> dict[str, torch.Tensor]:
        return {key: value for key, value in self.checkpoint(name)["state_dict"].items() if key.startswith("decoder.")}


def command(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command as a user runs it: a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"adain.commands.{module}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
    )


def run_here(name: str, cwd: Path, *overrides: str, together: bool = False) -> tuple[int, str, str]:
    """A command in a folder, without a process of its own: importing torch would take most of the time.

    Returns:
        Exit code, standard output and standard error; both in the first if ``together``.
    """
    main = importlib.import_module(f"adain.commands.{name}").main
    before, out, code = sys.argv, io.StringIO(), 0
    err = out if together else io.StringIO()
    try:
        sys.argv = [name, *overrides]
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue(), "" if together else err.getvalue()


def train(cwd: Path, *overrides: str) -> Run:
    """``make train`` in a folder."""
    done = run_here("train", cwd, *overrides)
    return Run((cwd / "logs" / "latest").resolve(), *done)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One training that many tests look at: ``experiment=smoke`` with W&B offline."""
    cwd = tmp_path_factory.mktemp("smoke")
    done = command("train", "experiment=smoke", cwd=cwd)
    return Run((cwd / "logs" / "latest").resolve(), done.returncode, done.stdout, done.stderr)
