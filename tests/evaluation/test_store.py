"""What an evaluation's folder keeps, and of what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adain.evaluation.pairs import Pair
from adain.evaluation.store import EvaluationStore
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
