"""What is typed after ``make``: it reaches the command as it was typed, or is refused before anything runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from adain.runtime.schema import VIDEO_EXTENSIONS

ROOT = Path(__file__).parents[1]
TYPED = [
    "content=my photo (1) it's [a],b=c.jpg",
    'style=图 "quoted" & ; * ~.png',
    "logs=${hydra:x}/$b",
    "data.content=[~/a,~/b]",
    "seed=1,2",
    "+new=1",
    "++more=2",
    "empty=",
]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, with a Python that prints its arguments, one a line."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    commands = Path("src/adain/cli")
    shutil.copytree(ROOT / commands, tmp_path / commands, ignore=shutil.ignore_patterns("__pycache__"))
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    python.chmod(0o755)
    shutil.copy(python, python.with_name("uv"))
    (tmp_path / ".venv/.ready").touch()
    return tmp_path


def make(folder: Path, *typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-s", *typed], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("typed", [["train", "~callbacks.grid"], ["~callbacks.grid", "train"]])
def test_a_key_is_deleted_as_hydra_writes_it(checkout: Path, typed: list[str]) -> None:
    done = make(checkout, *typed, "~data=folders", "~logger.csv")
    assert sorted(done.stdout.splitlines()[2:]) == ["~callbacks.grid", "~data=folders", "~logger.csv"], done.stderr


def test_overrides_arrive_as_they_were_typed_and_our_own_variables_do_not(checkout: Path) -> None:
    done = make(checkout, "train", *TYPED, "PYTHON=python3", "ARGS=-k x")
    assert sorted(done.stdout.splitlines()) == sorted(["-m", "adain.cli.train", *TYPED]), done.stderr


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["train", "smoke"], "'smoke': did you mean experiment=smoke?"),
        (["style_swap"], "'style_swap': did you mean experiment=style_swap?"),
        (["stylise", "content=a"], "'stylise': did you mean make stylize?"),
        (["stylize_dataset"], "'stylize_dataset': did you mean make stylize-dataset?"),
        (["it's"], "'it's': keys are typed key=value"),
        (["~callbacks.grid"], "'~callbacks.grid': keys are typed key=value"),
    ],
)
def test_a_stray_word_is_told_before_the_command_runs(checkout: Path, typed: list[str], told: str) -> None:
    done = make(checkout, *typed)
    assert done.returncode == 2
    assert f"error: there is no command {told}" in done.stderr
    assert "adain.cli" not in done.stdout


@pytest.mark.parametrize("typed", [["help", "stylize-dataset"], ["stylize-dataset", "help"]])
def test_help_before_or_behind_a_command_is_the_commands(checkout: Path, typed: list[str]) -> None:
    done = make(checkout, *typed, "seed=2")
    assert done.stdout.split() == ["-m", "adain.cli.stylize_dataset", "--help", "seed=2"], done.stderr


def test_every_command_is_listed(checkout: Path) -> None:
    listed = {line.split()[1] for line in make(checkout).stdout.splitlines() if line.startswith("  make ")}
    modules = [path for path in (ROOT / "src/adain/cli").glob("*.py") if "def main(" in path.read_text()]
    commands = {path.stem.replace("_", "-") for path in modules} - {"prepare"}  # the set-up runs it
    assert {"train", "stylize-dataset", "watch"} < commands <= listed


@pytest.mark.parametrize(
    ("typed", "extras"),
    [
        (["train"], set()),
        (["train", "logger=tensorboard"], {"tensorboard"}),
        (["train", "experiment=paper"], {"hub"}),
        (["train", "experiment=paper", "data=folders"], set()),
        (["sweep", "hydra/launcher=submitit_slurm"], {"sweep", "slurm"}),
        (["stylize", "content=a.mp4"], {"video"}),
        (["stylize", "content=My clip.MOV"], {"video"}),
        (["stylize", "content=[a.jpg,b.Ts]"], {"video"}),
        (["stylize", "content=it's;$(c).WebM"], {"video"}),
        (["stylize", "content=clips/*.m2ts"], {"video"}),
        (["stylize", "content=-"], {"video"}),
        (["stylize", "content=dance.gif"], {"video"}),
        (["stylize", "content=a.jpg"], set()),
        (["stylize-dataset", "engine=ray"], {"ray"}),
        (["compare", "scale=paper"], {"compare", "hub"}),
    ],
)
def test_optional_packages_are_set_up_when_first_needed(checkout: Path, typed: list[str], extras: set[str]) -> None:
    done = make(checkout, *typed)
    told = "setting up the optional packages of "
    assert {line.removeprefix(told) for line in done.stderr.splitlines() if line.startswith(told)} == extras


def test_make_knows_the_endings_of_videos() -> None:
    lines = (ROOT / "Makefile").read_text().split("VIDEOS := ")[1].split("\nCOMMA")[0]
    assert set(lines.replace("\\", "").split()) == VIDEO_EXTENSIONS | {".gif"}


def test_a_result_on_standard_output_is_alone_there_even_if_the_set_up_comes_first(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/uv;;\n'
        "  *cli.prepare*) echo prepared;;\n"
        '  *cli.stylize*) printf "the picture";;\n'
        "esac\n"
    )
    python.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "--silent", "stylize", "content=-", "out=-", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "the picture"), done.stderr
    assert "setting up" in done.stderr
    assert "prepared" in done.stderr
