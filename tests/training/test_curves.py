from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from adain.runtime.errors import UserError
from adain.training.curves import draw_curves, read_curves, report_runs, smoothed, training_curve


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as training leaves it: three validations, four logged steps."""
    history = [{"step": 10 * i, "val/content": 3.0 - i, "val/style": 9.0 - 3 * i} for i in range(3)]
    (tmp_path / "csv" / "version_0").mkdir(parents=True)
    (tmp_path / "summary.json").write_text(
        json.dumps({"history": history, "reference": {"content": 1.5, "style": 0.5}})
    )
    lines = ["step,train/content,train/style,val/content", "4,2.5,8,", "9,2.25,7,", "9,,,2", "14,2,inf,", "19,1.5,5,"]
    (tmp_path / "csv" / "version_0" / "metrics.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_what_a_run_left(run: Path) -> None:
    found = read_curves(run, "it")
    assert found.held_out == {"content": [(0, 3.0), (10, 2.0), (20, 1.0)], "style": [(0, 9.0), (10, 6.0), (20, 3.0)]}
    assert found.training["content"] == [(5, 2.5), (10, 2.25), (15, 2.0), (20, 1.5)]
    assert found.training["style"] == [(5, 8.0), (10, 7.0), (20, 5.0)]  # what is not a number is no point
    assert found.reference == {"content": 1.5, "style": 0.5}


def test_long_curves_are_thinned(run: Path) -> None:
    assert training_curve(run, "train/content", most=2) == [(5, 2.5), (15, 2.0)]


def test_a_resumed_runs_parts_are_one_curve(run: Path) -> None:
    later = run / "csv" / "version_1" / "metrics.csv"
    later.parent.mkdir()
    later.write_text("step,train/content\n10,1.75\n15,1.25\n")
    os.utime(later, (2e9, 2e9))
    assert training_curve(run, "train/content") == [(5, 2.5), (10, 2.25), (11, 1.75), (16, 1.25)]


def test_scatter_is_averaged_over_a_tenth_of_the_run() -> None:
    few = [(1.0, 4.0), (2.0, 0.0)]
    assert smoothed(few) == few
    many = [(float(step), float(step % 2)) for step in range(40)]
    even = smoothed(many)
    assert [step for step, _ in even] == [step for step, _ in many]
    assert all(0.3 < value < 0.7 for _, value in even)


@pytest.mark.parametrize("text", ["", "{}", None])
def test_a_folder_that_is_no_run(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(UserError, match="give a run's folder"):
        read_curves(tmp_path, "it")


def test_a_run_before_its_first_validation(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"history": []}')
    with pytest.raises(UserError, match="no validation yet"):
        read_curves(tmp_path, "it")


def test_the_ending_may_be_in_capitals(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("adain.training.curves.draw_curves", lambda path, curves: drawn.append(path))
    report_runs(str(run), str(run / "losses.PNG"), run.parent)
    assert [path.name for path in drawn] == ["losses.PNG"]


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_drawing(run: Path, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path = run / f"curves{ending}"
    draw_curves(path, [read_curves(run, "one"), read_curves(run, "other")])
    with Image.open(path) as picture:
        assert picture.width > 1000
        colors = {color[:3] for _, color in picture.convert("RGB").resize((650, 273), 0).getcolors(200_000)}  # type: ignore[union-attr, index]
    assert len(colors) > 20
    assert [p.name for p in run.glob(".*")] == []  # nothing half written
