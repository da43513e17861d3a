"""What a run says at its end of how to use it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adain.training.outcome import print_next

PAIR = "the $ilent café.jpg", "style.jpg"
SHOWN = "make stylize decoder=latest grid=decoders 'content=the $$ilent café.jpg' style=style.jpg"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name in ("checkpoints/last.ckpt", *PAIR):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("method", "ablation", "draft", "said"),
    [
        ("adain", False, None, ["next make stylize content=FILE style=FILE"]),
        ("adain", True, None, ["next make stylize decoder=latest content=FILE style=FILE"]),
        ("adain", False, "coarse strokes", [
            "draft coarse strokes: make stylize takes the decoder in the package", f"compare {SHOWN}",
            "next make stylize content=FILE style=FILE",
        ]),
        ("texture_network", False, "coarse strokes", ["next make stylize model=texture_network content=FILE"]),
        ("style_swap", False, None, ["next make stylize model=style_swap content=FILE style=FILE"]),
    ],
)  # fmt: skip
def test_the_last_lines_say_how_to_use_it(
    method: str, ablation: bool, draft: str | None, said: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module: Any = SimpleNamespace(method=method, ablation=ablation)
    print_next(run, "logs", module, draft, PAIR)
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == said


def test_nothing_to_compare_where_the_pictures_are_no_files(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(method="adain", ablation=False)
    print_next(run, "elsewhere", module, "coarse strokes", ("synthetic 1", "synthetic 2"))
    out = capsys.readouterr().out
    assert "compare" not in out
    assert out.endswith("make stylize content=FILE style=FILE logs=elsewhere\n")


def test_nothing_to_use_where_nothing_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module: Any = SimpleNamespace(method="adain", ablation=False)
    print_next(tmp_path, "logs", module, "coarse strokes", PAIR)
    assert capsys.readouterr().out == ""
