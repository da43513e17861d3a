"""The figures of runtime controls, by networks whose outputs are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from adain.evaluation.pairs import Pair
from adain.evaluation.paper import controls
from adain.evaluation.paper.controls import Stylist
from adain.evaluation.paper.quality import Judge
from adain.evaluation.store import ComparisonStore
from adain.nn.adain import StyleTransfer
from adain.nn.encoder import Encoder
from tests.helpers.pictures import draw


class Pictures:
    """In a network's place: pictures are their own features; styles are mixed pixel by pixel, or cut at the middle."""

    def encode(self, pictures: Tensor) -> Tensor:
        return pictures

    encode_style = encode

    def render(
        self, features: Tensor, size: Sequence[int], styles: Sequence[Tensor], alpha: float = 1.0,
        weights: Sequence[float] = (1.0,), shares: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        if shares is None:
            mixed = torch.stack([w * s for w, s in zip(weights, styles, strict=True)]).sum(0)
            return torch.lerp(features, mixed, alpha)
        masks = torch.nn.functional.interpolate(shares, size, mode="nearest")
        return masks[:, :1] * styles[0] + masks[:, 1:] * styles[1]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Two contents in three styles, style by style."""
    root = tmp_path_factory.mktemp("controls")
    contents, styles = (
        [draw(root / f"{kind}{i}.png", 10 * len(kind) + i, (32, 32)) for i in range(n)]
        for kind, n in (("c", 2), ("ss", 3))
    )
    return [Pair(c.stem, s.stem, c, s) for s in styles for c in contents]


@pytest.fixture(scope="module")
def stylist() -> Stylist:
    judge = Judge(Encoder.load("vgg19_normalized"), 32, torch.device("cpu"))
    return Stylist(judge, cast(StyleTransfer, Pictures()))


@pytest.fixture
def store(tmp_path: Path) -> ComparisonStore:
    store = ComparisonStore(tmp_path)
    store.open({})
    return store


def test_alpha_is_measured_from_the_content_to_the_style(
    stylist: Stylist, pairs: list[Pair], store: ComparisonStore
) -> None:
    controls.measure_alpha(stylist, [0, 0.5, 1], pairs[:2], store)
    rows = store.rows("alpha")
    assert [(row["content"], row["alpha"]) for row in rows] == [(c, a) for c in ("c0", "c1") for a in (0, 0.5, 1)]
    for row in rows:
        assert (row["pixel_error"] == pytest.approx(0, abs=1e-9)) == (row["alpha"] == 0)
        assert (row["style_loss_mean"] == pytest.approx(0, abs=1e-6)) == (row["alpha"] == 1)
        assert (row["content_feature_loss"] == pytest.approx(0, abs=1e-6)) == (row["alpha"] == 0)
    controls.measure_alpha(stylist, [0, 0.5, 1], pairs[:2], store)
    assert store.rows("alpha") == rows  # nothing is measured twice


def test_interpolation_is_between_neighboring_styles(
    stylist: Stylist, pairs: list[Pair], store: ComparisonStore
) -> None:
    controls.measure_interpolation(stylist, [0, 1], pairs, store)
    rows = store.rows("interpolation")
    assert [(row["content"], row["style"], row["second_style"]) for row in rows[::2]] == [
        (f"c{c}", f"ss{s}", f"ss{s + 1}") for c in (0, 1) for s in (0, 1)
    ]
    for row in rows:
        near, far = ("style_loss", "second_style_loss")[:: 1 if row["weight"] == 0 else -1]
        assert row[near] == pytest.approx(0, abs=1e-6)
        assert row[far] > 0.1


def test_each_half_is_held_against_its_own_style(stylist: Stylist, pairs: list[Pair], store: ComparisonStore) -> None:
    """Only the statistics of half a style picture are not those of the whole, and a little is seen across the middle."""
    controls.measure_regions(stylist, pairs, store)
    rows = store.rows("regions")
    assert [row["region"] for row in rows] == ["left", "right"] * 4
    for key in ("other_loss", "content_own_loss"):
        assert sum(row["own_loss"] for row in rows) < 0.7 * sum(row[key] for row in rows)


def test_colors_go_from_the_styles_to_the_contents(stylist: Stylist, pairs: list[Pair], store: ComparisonStore) -> None:
    controls.measure_color(stylist, pairs, store)
    rows = store.rows("color")
    assert len(rows) == 3 * len(pairs)

    def mean(key: str, control: str) -> float:
        return sum(row[key] for row in rows if row["control"] == control) / len(pairs)

    assert mean("color_to_style", "none") == pytest.approx(0, abs=1e-6)  # the output is the style
    assert mean("color_to_content", "none") > mean("color_to_content", "luminance")
    assert mean("color_to_content", "none") > mean("color_to_content", "coral")


def test_the_pictures_of_all_four_figures(stylist: Stylist, pairs: list[Pair], store: ComparisonStore) -> None:
    controls.make_control_pictures(stylist, [0, 1], pairs, store)
    made = {path.stem for path in (store.folder / "outputs").iterdir()}
    rows = range(controls.ROWS)
    assert made == {
        *(f"alpha_{row}_{alpha}" for row in rows for alpha in (0, 1)),
        *(f"color_{row}_{control}" for row in rows for control in controls.COLORINGS),
        *(f"mix_{i}_{j}" for i in (0, 1) for j in (0, 1)),
        *(f"regions_{row}" for row in rows),
    }
    shown: list[Any] = [(pair.content, pair.style) for pair in controls.shown_pairs(pairs)]
    assert shown == [("c0", "ss0"), ("c1", "ss1"), ("c0", "ss2")]
    assert [pair.style for pair in controls.corners(pairs)] == ["ss0", "ss1", "ss2", "ss0"]
    one_style = pairs[:2]
    assert controls.shown_neighbors(one_style) == []
