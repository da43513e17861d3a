"""Commands as a user runs them: in this process where nothing needs one of its own, for importing torch takes seconds."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.helpers.forked import Forked


@dataclass
class Run:
    """A finished training and the folder that it wrote."""

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


def run_here(name: str, cwd: Path, *words: str, together: bool = False) -> tuple[int, str, str]:
    """``make NAME WORDS`` in a folder, inside this process.

    Returns:
        Exit code, standard output and standard error; both in the first if ``together``.
    """
    main = importlib.import_module(f"adain.cli.{name}").main
    before, out, code = sys.argv, io.StringIO(), 0
    err = out if together else io.StringIO()
    try:
        sys.argv = [name, *words]
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue(), "" if together else err.getvalue()


def train(cwd: Path, *words: str) -> Run:
    """``make train WORDS`` in a folder, inside this process."""
    done = run_here("train", cwd, *words)
    return Run(latest_run(cwd), *done)


def latest_run(cwd: Path) -> Path:
    return (cwd / "logs" / "latest").resolve()


def command(module: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, to its end."""
    process = Forked(["-m", f"adain.cli.{module}", *words], cwd)
    return subprocess.CompletedProcess(words, process.wait(600), process.out.decode(), process.err)


def start(cwd: Path, *words: str) -> subprocess.Popen[str]:
    """``make train WORDS`` in a process of its own, which goes on: this one does not hear the signals to its group."""
    line = [sys.executable, "-m", "adain.cli.train", *words]
    return subprocess.Popen(
        line, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def wait_for(path: Path, seconds: float = 120) -> None:
    """Until a file is there."""
    wait_until(path.exists, seconds, f"{path} did not appear")


def wait_until(done: Callable[[], object], seconds: float = 60, otherwise: str = "it did not come about") -> None:
    """Until something is so, which another process brings about."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)
