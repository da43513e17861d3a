"""How a command starts and ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from adain.commands import app
from adain.errors import UserError

# --- a mistyped key, as a user types it -----------------------------------------------------------------------------

WRAPPED = """
import atexit, runpy, sys
atexit.register(lambda: print("heavy", sorted({"torch", "pytorch_lightning", "wandb"} & set(sys.modules))))
runpy.run_module("adain.commands.train", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def mistyped(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path, float]:
    """``make train method.style_wieght=20``: what it said, the folder it ran in, and the seconds it took."""
    folder, start = tmp_path_factory.mktemp("mistyped"), time.perf_counter()
    command = [sys.executable, "-c", WRAPPED, "method.style_wieght=20"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done, folder, time.perf_counter() - start


Mistyped = tuple[subprocess.CompletedProcess[str], Path, float]


def test_a_mistyped_key_ends_with_exit_code_1(mistyped: Mistyped) -> None:
    assert mistyped[0].returncode == 1


def test_a_mistyped_key_is_one_line(mistyped: Mistyped, record_property: Callable[[str, object], None]) -> None:
    record_property("seconds", mistyped[2])
    assert mistyped[0].stderr.startswith("error: there is no key method.style_wieght (did you mean method.style_weight")
    assert mistyped[0].stderr.count("\n") == 1


def test_a_mistyped_key_is_found_before_torch_is_imported(mistyped: Mistyped) -> None:
    assert mistyped[0].stdout == "heavy []\n"


def test_a_mistyped_key_makes_no_folder(mistyped: Mistyped) -> None:
    assert list(mistyped[1].iterdir()) == []


# --- ends -----------------------------------------------------------------------------------------------------------


def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], task: Callable[[DictConfig], Any]
) -> tuple[object, str]:
    """A command whose task is this: its exit code and what it said on stderr."""
    monkeypatch.setattr(sys, "argv", ["stylize", "content=a.png", "style=b.png"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    code: object = 0
    try:
        app.run("stylize", task)
    except SystemExit as ended:
        code = ended.code
    return code, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def raising(error: BaseException) -> Callable[[DictConfig], NoReturn]:
    def task(config: DictConfig) -> NoReturn:
        raise error

    return task


def test_a_task_gets_its_configuration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    assert ended(monkeypatch, capsys, lambda config: seen.append(config.content)) == (0, "")
    assert seen == ["a.png"]


def test_a_users_mistake_in_the_task_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, capsys, raising(UserError("give less"))) == (1, "error: give less\n")


def test_a_users_mistake_inside_instantiate_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = InstantiationException("Error in call to target 'x':\nUserError('give less')")
    error.__cause__ = UserError("give less")
    assert ended(monkeypatch, capsys, raising(error)) == (1, "error: give less\n")


def test_what_instantiate_could_not_call_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = InstantiationException("Error in call to target 'x':\nTypeError('unexpected argument foo')")
    error.__cause__ = TypeError("unexpected argument foo")
    code, text = ended(monkeypatch, capsys, raising(error))
    assert code == 1
    assert "unexpected argument foo" in text


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(monkeypatch, capsys, raising(KeyboardInterrupt())) == (130, "stopped by Ctrl-C\n")


def test_an_exit_code_of_the_task_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(monkeypatch, capsys, raising(SystemExit(143)))[0] == 143


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        ended(monkeypatch, capsys, raising(ZeroDivisionError()))


def test_a_bug_met_while_handling_a_mistake_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def task(config: DictConfig) -> None:
        try:
            raise UserError("handled")
        except UserError:
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        ended(monkeypatch, capsys, task)


# --- file names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "/plain/with-1.2/x.png",
        "a b.png",
        " a.png",
        "a,b.png",
        "a[1].png",
        "[x].png",
        "{x}.png",
        "(x).png",
        "k=v.png",
        "it's.png",
        '"q".png',
        "naïve.png",
        "图 画.png",
        "a~b^c.png",
        "~/a.png",
        "a&b;c#d!.png",
        "$x 100%.png",
        "a+b@c:d.png",
        "a\\b.png",
        "a\\'b.png",
        "a b\\",
    ],
)
def test_a_file_name_is_taken_as_it_is(name: str) -> None:
    override = OverridesParser.create().parse_override(app.quoted(f"content={name}", ("content",)))
    assert override.value() == name


@pytest.mark.parametrize("name", ["2024", "1.5", "1e3", "true"])
def test_a_file_name_that_looks_like_a_number_is_a_name(name: str) -> None:
    assert OverridesParser.create().parse_override(app.quoted(f"content={name}", ("content",))).value() == name


@pytest.mark.parametrize("value", ["null", "[a,b]", "'a b'", '"a b"'])
def test_nothing_lists_and_quotes_stay(value: str) -> None:
    assert app.quoted(f"data.content={value}", ("data.content",)) == f"data.content={value}"


def test_other_keys_stay() -> None:
    assert app.quoted("run.tags=[a b]", ("content",)) == "run.tags=[a b]"


def test_the_configuration_is_found_in_a_checkout() -> None:
    assert (app.conf_folder() / "train.yaml").is_file()
