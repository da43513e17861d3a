"""What is typed after ``make`` reaches the command as it was typed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
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


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_overrides_arrive_as_they_were_typed_and_our_own_variables_do_not(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"include {MAKEFILE}\nshow:\n\t@printf '%s\\n' $(OVERRIDES)\n")
    command = ["make", "-s", "show", *TYPED, "PYTHON=python3", "ARGS=-k x"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True).stdout
    assert sorted(shown.splitlines()) == sorted(TYPED)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_result_on_standard_output_is_alone_there_even_if_the_set_up_comes_first(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/uv;;\n'
        "  *commands.prepare*) echo prepared;;\n"
        '  *commands.stylize*) printf "the picture";;\n'
        "esac\n"
    )
    python.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(MAKEFILE.parent / name, tmp_path)
    command = ["make", "--silent", "stylize", "content=-", "out=-", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "the picture"), done.stderr
    assert "setting up" in done.stderr
    assert "prepared" in done.stderr
