"""Commands in messages can be typed as they stand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adain.runtime import extras

LINE = "next  make stylize 'content=a$$b'; make stylize-dataset; make help train; make trained"


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package whose programs lie in ``venv/bin`` below the folder that we are in."""
    (tmp_path / "venv/bin").mkdir(parents=True)
    for name in ("python", "adain-stylize", "adain-stylize-dataset", "adain-train", "wandb"):
        (tmp_path / "venv/bin" / name).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("checkout", [False, True])
def test_without_make_commands_are_console_scripts(checkout: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_in_checkout", lambda: checkout)
    if checkout:
        monkeypatch.setattr(sys, "orig_argv", ["python", "/x/venv/bin/adain-train", "seed=1"])
    assert extras.as_typed_here(LINE) == (
        "next  venv/bin/adain-stylize 'content=a$b'; venv/bin/adain-stylize-dataset; venv/bin/adain-train --help; "
        "make trained"
    )


@pytest.mark.usefixtures("_installed")
def test_a_program_that_the_shell_finds_needs_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path.cwd()}/venv/bin")
    assert extras.program("wandb") == "wandb"
    monkeypatch.setenv("PATH", "/usr/bin")
    assert extras.program("wandb") == "venv/bin/wandb"


def test_with_make_they_are_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "adain.cli.train"])
    assert extras.as_typed_here(LINE) == LINE
