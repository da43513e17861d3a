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
