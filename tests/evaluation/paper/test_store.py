from __future__ import annotations

from pathlib import Path

import pytest

from adain.evaluation.paper.store import ComparisonStore
from adain.runtime.errors import InputError


def test_rows_outlive_a_crash_and_a_cut_line_is_dropped(tmp_path: Path) -> None:
    store = ComparisonStore(tmp_path / "a")
    store.open({"size": 64})
    store.append("losses", [{"method": "gatys", "x": 1.5}, {"method": "adain", "x": 2}])
    with (tmp_path / "a" / "losses.jsonl").open("a") as file:
        file.write('{"method": "sty')
    again = ComparisonStore(tmp_path / "a")
    again.open({"size": 64})
    assert [row["method"] for row in again.rows("losses")] == ["gatys", "adain"]
    again.append("losses", [{"method": "style_swap", "x": 3}])
    assert [row["x"] for row in again.rows("losses")] == [1.5, 2, 3]
    assert again.has("losses", method="style_swap", x=3)
    assert not again.has("losses", method="style_swap", x=2)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    ComparisonStore(tmp_path).open({"size": 64, "rows": 3})
    with pytest.raises(InputError, match="a comparison with rows=3, but rows=4 is asked for"):
        ComparisonStore(tmp_path).open({"size": 64, "rows": 4})


def test_a_figure_is_due_until_it_was_drawn_and_again_when_it_shows_something_else(tmp_path: Path) -> None:
    store, figure = ComparisonStore(tmp_path), tmp_path / "losses.png"
    assert [store.due(figure, [1]), store.due(figure, [1]), store.due(figure, [1, 2])] == [True, False, True]
    assert store.due(tmp_path / "training.png", [1, 2])
