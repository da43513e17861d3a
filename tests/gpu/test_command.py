"""What ``make test-gpu`` runs, as far as a machine without a GPU can tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.gpu import __main__ as command
from tests.helpers.runners import run_here


def test_every_command_is_one_that_its_program_takes(tmp_path: Path) -> None:
    """``--cfg job`` composes and prints the configuration: an unknown key or value ends in an error."""
    for module, *arguments in command.commands(tmp_path, [f"reference={tmp_path}"]).values():
        code, out, err = run_here(module.rpartition(".")[2], tmp_path, "--cfg", "job", *arguments)
        assert code == 0, err
        assert str(tmp_path) in out


def test_a_failure_is_told_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(title: str, *given: str) -> bool:
        ran.append(given[0])
        return given[0] != "pytest"

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "write_pictures", lambda folder: None)
    assert command.main([]) == 1
    assert ran == ["pytest", "adain.cli.bench", "adain.cli.bench", "adain.cli.train"]
    assert command.main(["batch=3"]) == 2


def test_the_pictures_are_photographs_in_size(tmp_path: Path) -> None:
    command.write_pictures(tmp_path, 1)
    path = tmp_path / "content" / "0.jpg"
    assert Image.open(path).size == (640, 480)
    assert 30_000 < path.stat().st_size < 300_000
