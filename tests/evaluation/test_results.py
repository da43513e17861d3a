"""Two evaluations compared: figures by hand, and which of the two is called the better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adain.evaluation.pairs import Pair
from adain.evaluation.results import check_against, compare_evaluations, verdict, won_by_controls
from adain.runtime.errors import InputError

PAIRS = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]
LOSS, SSIM = [1.0, 2.0, 3.0, 4.0], [0.9, 0.8, 0.7, 0.6]  # lower is better; higher is


def evaluation(folder: Path, pairs: Sequence[tuple[str, str]], loss: Any, ssim: Any, **settings: Any) -> Path:
    """A finished evaluation's folder."""
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"size": 64, "crop": False, "encoder": "e1", **settings}))
    rows = [
        {"index": index, "content": content, "style": style, "style_loss_mean": a, "ssim": b}
        for index, ((content, style), a, b) in enumerate(zip(pairs, loss, ssim, strict=True))
    ]
    (folder / "rows-0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_pairs_go_by_their_names(tmp_path: Path) -> None:
    """The second's rows are shuffled: it is 0.5 worse everywhere, but for ``d``, where it is 1 better."""
    first = evaluation(tmp_path / "first", PAIRS, LOSS, SSIM)
    order = [2, 0, 3, 1]
    second = evaluation(
        tmp_path / "second",
        [PAIRS[i] for i in order],
        [[1.5, 2.5, 3.5, 3.0][i] for i in order],
        [[0.8, 0.7, 0.6, 0.8][i] for i in order],
    )
    found = compare_evaluations(first, second, 200, 0)
    assert (found["pairs"], found["left_unpaired"]) == (4, [0, 0])
    loss, ssim = found["metrics"]["style_loss_mean"], found["metrics"]["ssim"]
    assert (loss["first"], loss["second"], loss["difference"]) == pytest.approx((2.5, 2.625, -0.125))
    assert (ssim["first"], ssim["second"], ssim["difference"]) == pytest.approx((0.75, 0.725, 0.025))
    assert (loss["first_better_on"], ssim["first_better_on"]) == (3, 3)
    # the styles' mean differences are -0.5 and 0.25: signs flipped, all four means of them are 0.125 or more from 0
    assert loss["p"] == 1
    assert loss["low"] == pytest.approx(-0.5)
    assert loss["high"] == pytest.approx(0.25)


def test_only_pairs_that_both_have_are_compared(tmp_path: Path) -> None:
    """``a`` and ``d`` are each in one alone; the figures of whole sets are of other pairs and left out."""
    folders = [
        evaluation(tmp_path / "first", PAIRS[:3], [9.0, 2.0, 3.0], [0.9, 0.8, 0.7]),
        evaluation(tmp_path / "second", [PAIRS[i] for i in (3, 2, 1)], [9.0, 3.5, 3.0], [0.1, 0.7, 0.9]),
    ]
    for folder in folders:
        (folder / "results.json").write_text(json.dumps({"metrics": {"fid": {"mean": 1.0}}}))
    found = compare_evaluations(*folders, 200, 0)
    assert (found["pairs"], found["left_unpaired"]) == (2, [1, 1])
    loss, ssim = found["metrics"]["style_loss_mean"], found["metrics"]["ssim"]
    assert (loss["first"], loss["second"], loss["difference"]) == pytest.approx((2.5, 3.25, -0.75))
    assert (ssim["first"], ssim["second"], ssim["difference"]) == pytest.approx((0.75, 0.8, -0.05))
    assert (loss["first_better_on"], ssim["first_better_on"]) == (2, 0)
    assert set(found["metrics"]) == {"style_loss_mean", "ssim"}


def test_figures_of_whole_sets_are_compared_where_the_pairs_are_the_same(tmp_path: Path) -> None:
    """Not where one of the two has more: each is one number for all of its pairs."""
    first = evaluation(tmp_path / "first", PAIRS, LOSS, SSIM)
    same = evaluation(tmp_path / "same", PAIRS, LOSS, SSIM)
    less = evaluation(tmp_path / "less", PAIRS[:3], LOSS[:3], SSIM[:3])
    for folder, fid in ((first, 5.0), (same, 3.0), (less, 3.0)):
        (folder / "results.json").write_text(json.dumps({"metrics": {"fid": {"mean": fid}}}))
    found = compare_evaluations(first, same, 200, 0)["metrics"]["fid"]
    assert (found["first"], found["second"], found["difference"], found["p"]) == (5.0, 3.0, 2.0, None)
    for one, other in ((first, less), (less, first)):
        assert "fid" not in compare_evaluations(one, other, 200, 0)["metrics"]


def test_an_evaluation_of_version_0_1_is_compared_with_one_of_today(tmp_path: Path) -> None:
    first = evaluation(tmp_path / "first", PAIRS, LOSS, SSIM, encoder="vgg19_normalised")
    second = evaluation(tmp_path / "second", PAIRS, LOSS, SSIM, encoder="vgg19_normalized")
    for folder, name in ((first, "colour_distance"), (second, "color_distance")):
        rows = (folder / "rows-0.jsonl").read_text()
        (folder / "rows-0.jsonl").write_text(rows.replace("style_loss_mean", name))
    assert set(compare_evaluations(first, second, 10, 0)["metrics"]) == {"color_distance", "ssim"}


@pytest.mark.parametrize(("key", "other"), [("size", 128), ("crop", True), ("encoder", "e2")])
def test_figures_of_another_size_crop_or_encoder_are_refused(key: str, other: Any, tmp_path: Path) -> None:
    folders = [
        evaluation(tmp_path / "first", PAIRS, LOSS, SSIM),
        evaluation(tmp_path / "second", PAIRS, LOSS, SSIM, **{key: other}),
    ]
    with pytest.raises(InputError, match=f"{key}={other}: evaluate both with the same"):
        compare_evaluations(*folders, 10, 0)


@pytest.mark.parametrize(
    ("given", "content", "says"),
    [
        ({"size": 32}, "a", "what is asked for is evaluated with size=32 and .*first with size=64"),
        ({"protocol": "artfid"}, "a", "with protocol=artfid and .*first with protocol=ours"),
        ({}, "z", "no pair of content and style in common"),
    ],
)
def test_what_could_not_be_compared_is_told_before_it_is_measured(
    given: dict[str, Any], content: str, says: str, tmp_path: Path
) -> None:
    first = evaluation(tmp_path / "first", PAIRS, LOSS, SSIM)
    settings = {"size": 64, "crop": False, "encoder": "e1", "protocol": "ours"}
    check_against(settings, [Pair("a", "x", first, first)], first)
    with pytest.raises(InputError, match=says):
        check_against({**settings, **given}, [Pair(content, "x", first, first)], first)


@pytest.mark.parametrize(
    ("difference", "low", "high", "p", "higher_is_better", "said"),
    [
        (-0.5, -0.8, -0.2, 0.01, False, "first better"),  # a loss: less is better
        (0.5, 0.2, 0.8, 0.01, False, "second better"),
        (0.5, 0.2, 0.8, 0.01, True, "first better"),  # a similarity: more is
        (-0.5, -0.8, -0.2, 0.01, True, "second better"),
        (-0.5, -0.8, -0.2, 0.05, False, "first better"),
        (-0.5, -0.8, -0.2, 0.2, False, "cannot be told apart"),  # by the test
        (0.5, 0.2, 0.8, 0.2, True, "cannot be told apart"),
        (-0.5, -1.1, 0.1, 0.01, False, "cannot be told apart"),  # by the interval
        (0.5, 0.0, 1.0, 0.01, True, "cannot be told apart"),
    ],
)
def test_both_the_interval_and_the_test_must_tell_which_is_better(
    difference: float, low: float, high: float, p: float, higher_is_better: bool, said: str
) -> None:
    entry = {
        "difference": difference, "low": low, "high": high, "p": p, "higher_is_better": higher_is_better,
        "first_better_on": 3,
    }  # fmt: skip
    assert verdict(entry, 5) == f"{said} (first better on 3 of 5)"


def test_without_an_interval_nothing_is_said_to_be_better() -> None:
    entry: dict[str, Any] = {"difference": -1.0, "low": None, "high": None, "p": None, "higher_is_better": False}
    assert verdict({**entry, "first_better_on": None}, 5) == "no interval: one figure for all pairs"
    assert verdict({**entry, "first_better_on": 1}, 1) == "too few pairs to tell"


def test_controls_that_win_are_named() -> None:
    def entry(mean: float, content: float, style: float, higher: bool = False) -> dict[str, Any]:
        return {"mean": mean, "controls": {"content": content, "style": style}, "higher_is_better": higher}

    found = won_by_controls(
        {
            "lpips": entry(0.6, 0, 0.8),
            "ssim": entry(0.3, 1, 0.1, higher=True),
            "tied": entry(1, 1, 1),
            "fid": entry(5, 9, 0),
        }
    )
    assert found == [
        "the unchanged content wins lpips, ssim: alone, these say nothing about style transfer",
        "the style picture itself wins fid: alone, this says nothing about style transfer",
    ]
