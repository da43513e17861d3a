"""Which pictures are compared."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from adain.cli.plain import plain_values
from adain.cli.preflight.compose import compose_config
from adain.evaluation.pairs import Pair
from adain.evaluation.paper.request import read_request
from adain.evaluation.store import digest


def shown(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(Path(pair.content).stem, Path(pair.style).stem) for pair in pairs]


def test_rows_go_through_contents_and_styles_side_by_side(folders: Path) -> None:
    small = [
        f"content={folders / 'content'}", f"style={folders / 'style'}", "losses.contents=2", "losses.styles=1",
        "pictures.rows=2", "ablations.contents=1", "ablations.styles=2", "ablations.rows=4", "controls.contents=2",
        "controls.styles=1", "normalization.contents=9",
    ]  # fmt: skip
    request = read_request(plain_values(compose_config("compare", small)))
    assert shown(request.loss_pairs) == [("c0", "s0"), ("c1", "s0")]
    assert shown(request.picture_pairs) == [("c0", "s0"), ("c1", "s0")]  # of the styles with a texture network
    assert shown(request.ablation_pairs) == [("c0", "s0"), ("c0", "s1")]
    assert shown(request.ablation_rows) == [("c0", "s0"), ("c1", "s1"), ("c2", "s0"), ("c0", "s1")]
    assert [path.name for path in request.styles_of_networks] == ["s0.png"]
    assert shown(request.control_pairs) == [("c0", "s0"), ("c1", "s0")]
    assert [path.name for path in request.photographs] == ["c0.png", "c1.png", "c2.png"]  # at most nine
    for pair in request.pairs:
        assert (pair.content_path.parent.name, pair.style_path.parent.name) == ("content", "style")


def test_settings_hold_all_that_results_depend_on(folders: Path) -> None:
    """Where one of them is another, there is another folder. Which parts are made is none of them."""
    given = [f"content={folders / 'content'}", f"style={folders / 'style'}"]
    small = ["losses.styles=1", "ablations.contents=1", "ablations.styles=1", "controls.styles=1"]
    settings = read_request(plain_values(compose_config("compare", [*given, *small]))).settings
    assert settings["gatys"] == {
        "measure": "gram", "optimizer": "lbfgs", "iterations": 60, "initial": "content", "scales": 1,
        "content_weight": 1.0, "style_weight": None, "tv_weight": 0.0, "lr": 0.02,
    }  # fmt: skip
    assert settings["style_swap"] == {"patch_size": None, "stride": None}
    assert set(settings) == {
        "sizes", "repeats", "memory", "speed", "losses", "pictures", "ablations", "gatys", "style_swap", "steps",
        "start_pictures", "start_patches", "training", "seed", "pictures_of", "checkpoints", "normalization", "controls",
        "recipes", "photographs", "digests",
    }  # fmt: skip


def test_another_picture_in_a_files_place_is_another_comparison(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders, tmp_path / "pictures")
    given = [f"{kind}={tmp_path / 'pictures' / kind}" for kind in ("content", "style")]
    words = [
        *given,
        f"logs={tmp_path}",
        "losses.styles=1",
        "ablations.contents=1",
        "ablations.styles=1",
        "controls.styles=1",
    ]
    keys = plain_values(compose_config("compare", words))
    before = read_request(keys)
    shutil.copy(folders / "content" / "c1.png", tmp_path / "pictures" / "content" / "c0.png")
    after = read_request(keys)
    assert {name for name, value in after.settings["digests"].items() if value != before.settings["digests"][name]} == {
        "content c0.png"
    }
    assert before.folder(before.settings) != after.folder(after.settings)
    settings = {key: value for key, value in before.settings.items() if key != "digests"}
    earlier = tmp_path / "compare" / digest(settings)  # of before digests were kept
    earlier.mkdir(parents=True)
    assert after.folder(after.settings) == earlier
