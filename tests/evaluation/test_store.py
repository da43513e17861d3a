"""What the folders of evaluations and comparisons keep, and of what."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adain.evaluation.pairs import Pair
from adain.evaluation.store import ComparisonStore, EvaluationStore, digest, folder_for, picture_digests
from adain.runtime.errors import InputError

PAIRS = [Pair("a", "x", Path("a.png"), Path("x.png")), Pair("b", "y", Path("b.png"), Path("y.png"))]


@pytest.mark.parametrize("changed", [{"content": "c"}, {"style": "z"}])
def test_a_folder_of_other_pairs_is_refused(changed: dict[str, str], tmp_path: Path) -> None:
    EvaluationStore(tmp_path).open_pairs({"size": 64}, PAIRS)
    EvaluationStore(tmp_path).open_pairs({"size": 64}, PAIRS)
    with pytest.raises(InputError, match="holds an evaluation with pairs="):
        EvaluationStore(tmp_path).open_pairs({"size": 64}, [PAIRS[0], PAIRS[1]._replace(**changed)])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds an evaluation with pairs="):
        EvaluationStore(tmp_path).open_pairs({"size": 64}, PAIRS[::-1])  # rows are known by their place


def test_an_evaluation_of_version_0_1_goes_on_under_the_names_of_today(tmp_path: Path) -> None:
    settings = {"encoder": "vgg19_normalized", "metrics": ["ssim", "color_distance"]}
    EvaluationStore(tmp_path).open_pairs(settings, PAIRS)
    file = tmp_path / "settings.json"
    file.write_text(file.read_text().replace("color", "colour").replace("normalized", "normalised"))
    row = {"index": 0, "content": "a", "style": "x", "colour_distance": 0.5}
    (tmp_path / "rows-0.jsonl").write_text(json.dumps(row) + "\n")

    store = EvaluationStore(tmp_path)
    store.open_pairs(settings, PAIRS)
    store.append([{"index": 1, "content": "b", "style": "y", "color_distance": 0.7}], {})
    assert {key: store.settings[key] for key in settings} == settings
    assert {index: row["color_distance"] for index, row in store.rows().items()} == {0: 0.5, 1: 0.7}


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


def test_other_pictures_of_the_same_names_are_refused_by_name(tmp_path: Path) -> None:
    pairs = [Pair("a.png", "x.png", tmp_path / "c" / "a.png", tmp_path / "s" / "x.png")]
    for path in (pairs[0].content_path, pairs[0].style_path):
        path.parent.mkdir()
        path.write_text("one")
    before, settings = picture_digests(pairs), {"size": 64}
    store = EvaluationStore(tmp_path / "out")
    store.open_pairs({**settings, "digests": before}, pairs)
    os.utime(pairs[0].content_path, (1e9, 1e9))  # downloaded again
    store.open_pairs({**settings, "digests": picture_digests(pairs)}, pairs)
    pairs[0].style_path.write_text("two")
    now = picture_digests(pairs)
    with pytest.raises(
        InputError, match="an evaluation of other pictures: style x.png changed since: put the file back"
    ):
        store.open_pairs({**settings, "digests": now}, pairs)
    assert folder_for(tmp_path, "e_", settings, before) != folder_for(tmp_path, "e_", settings, now)

    file = tmp_path / "out" / "settings.json"  # as version 0.2 wrote it, and where
    file.write_text(json.dumps({key: value for key, value in store.settings.items() if key != "digests"}))
    store.open_pairs({**settings, "digests": now}, pairs)
    earlier = tmp_path / f"e_{digest(settings)}"
    earlier.mkdir()
    assert folder_for(tmp_path, "e_", settings, now) == earlier


def test_a_figure_is_due_until_it_was_drawn_and_again_when_it_shows_something_else(tmp_path: Path) -> None:
    store, figure = ComparisonStore(tmp_path), tmp_path / "losses.png"
    assert [store.due(figure, [1]), store.due(figure, [1]), store.due(figure, [1, 2])] == [True, False, True]
    assert store.due(tmp_path / "training.png", [1, 2])
