"""Which figures come of which pair: the loop and the sets, with a system and metrics whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adain.evaluation.pairs import Pair, cross
from adain.evaluation.run import Frame, Gallery, measure, set_figures
from adain.evaluation.store import EvaluationStore
from adain.methods.load import load_method
from adain.metrics.feature_cache import FeatureCache
from adain.metrics.frechet import frechet_distance
from adain.metrics.lpips import Lpips
from adain.metrics.metric_suite import MetricSuite, build_suite
from adain.nn.encoder import Encoder

CPU = torch.device("cpu")
CONTENTS, STYLES = {"a": 11, "b": 60, "c": 110}, {"x": 40, "y": 200, "z": 250}  # gray levels


class Average:
    """A system whose output is the mean of content and style; notes the strengths that it is asked for."""

    def __init__(self) -> None:
        self.alphas: set[float] = set()

    def stylize(self, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        self.alphas.add(alpha)
        return (content + style) / 2


class Level:
    """A figure that is the gray level of one of the three pictures that metrics are given."""

    def __init__(self, which: int) -> None:
        self.which = which

    def per_pair(self, *pictures: Tensor) -> Tensor:
        return 255 * pictures[self.which].mean((1, 2, 3))


def mean_colors(picture: Tensor) -> Tensor:
    """Something of every picture, as wide as the features of ``frechet_vgg19``."""
    return torch.nn.functional.pad(picture.mean((2, 3)), (0, 509))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    root = tmp_path_factory.mktemp("gray")
    named: list[list[tuple[str, Path]]] = []
    for levels in (CONTENTS, STYLES):
        for name, level in levels.items():
            Image.new("RGB", (24, 24), (level, level, level)).save(root / f"{name}.png")
        named.append([(name, root / f"{name}.png") for name in levels])
    return cross(named[0], named[1], "all")


@pytest.fixture
def evaluated(pairs: list[Pair], encoder: Encoder, tmp_path: Path) -> Callable[..., Any]:
    """Measures all pairs and gives the store, the suite and the gallery."""

    def run(
        system: Any, alpha: float = 1.0, batch_size: int = 4, protocol: Any = "ours"
    ) -> tuple[EvaluationStore, MetricSuite, Gallery]:
        figures: Any = {name: Level(which) for which, name in enumerate(("of output", "of content", "of style"))}
        suite = MetricSuite(FeatureCache(encoder), figures, {"frechet_vgg19": mean_colors})
        store, gallery = EvaluationStore(tmp_path / "store"), Gallery(Frame(24, crop=True), CPU)
        store.open_pairs({}, pairs)
        measure(pairs, store, suite, gallery, lambda: system, alpha, batch_size, protocol=protocol)
        return store, suite, gallery

    return run


def test_every_pair_has_the_figures_of_its_own_content_style_and_output(
    evaluated: Callable[..., Any], pairs: list[Pair]
) -> None:
    """In batches of four, in which both contents and styles differ."""
    system = Average()
    store, _, _ = evaluated(system, alpha=0.25)
    rows, features = store.rows(), store.features("frechet_vgg19")
    assert list(rows) == list(features) == list(range(9))
    for index, pair in enumerate(pairs):
        content, style = CONTENTS[pair.content], STYLES[pair.style]
        levels = {"of output": (content + style) / 2, "of content": content, "of style": style}
        assert {name: rows[index][name] for name in levels} == pytest.approx(levels, abs=0.01)
        assert features[index][0] == pytest.approx((content + style) / 510, abs=1e-4)
    assert system.alphas == {0.25}


def test_the_distance_is_of_all_outputs_to_the_distinct_styles(
    evaluated: Callable[..., Any], pairs: list[Pair]
) -> None:
    found = set_figures(pairs, *evaluated(Average()))["output"]["frechet_vgg19"]
    styles, outputs = list(STYLES.values()), [(c + s) / 2 for s in STYLES.values() for c in CONTENTS.values()]
    expected = frechet_distance(512)
    for levels, real in ((styles, True), (outputs, False)):
        expected.update(mean_colors(torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 1, 1) / 255), real=real)
    assert found == pytest.approx(float(expected.compute()), rel=1e-4)


def test_controls_stand_in_the_outputs_place(evaluated: Callable[..., Any], pairs: list[Pair]) -> None:
    store, suite, gallery = evaluated(Average())
    for index, pair in enumerate(pairs):
        controls = store.rows()[index]["controls"]
        levels = {"content": CONTENTS[pair.content], "style": STYLES[pair.style]}
        assert {name: found["of output"] for name, found in controls.items()} == pytest.approx(levels, abs=0.01)
    sets = set_figures(pairs, store, suite, gallery, "styleid")
    assert sets["style"]["frechet_vgg19"] == pytest.approx(0, abs=1e-4)  # the same pictures, each as often
    assert sets["content"]["frechet_vgg19"] > sets["output"]["frechet_vgg19"] > sets["style"]["frechet_vgg19"]


def test_the_styleid_protocol_rounds_outputs_and_repeats_styles(
    evaluated: Callable[..., Any], pairs: list[Pair]
) -> None:
    store, suite, gallery = evaluated(Average(), protocol="styleid")
    levels = [store.rows()[index]["of output"] for index in range(9)]
    assert levels == pytest.approx([round(level) for level in levels], abs=1e-3)
    unrounded = [(CONTENTS[pair.content] + STYLES[pair.style]) / 2 for pair in pairs]
    assert levels == pytest.approx(unrounded, abs=0.51)
    assert levels != pytest.approx(unrounded, abs=0.4)  # the gray of "a" is odd
    expected = frechet_distance(512)
    styles = [STYLES[pair.style] for pair in pairs]
    for grays, real in ((styles, True), (levels, False)):
        expected.update(mean_colors(torch.tensor(grays).view(-1, 1, 1, 1).expand(-1, 3, 1, 1) / 255), real=real)
    found = set_figures(pairs, store, suite, gallery, "styleid")["output"]["frechet_vgg19"]
    assert found == pytest.approx(float(expected.compute()), rel=1e-4)
    assert found != pytest.approx(set_figures(pairs, store, suite, gallery)["output"]["frechet_vgg19"], rel=1e-3)


def test_adain_encodes_each_picture_once_and_gives_the_same(
    evaluated: Callable[..., Any], pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    method: Any = load_method("adain", "reference", CPU)
    encoded: list[int] = []
    encode = type(method.network).encode
    monkeypatch.setattr(type(method.network), "encode", lambda self, x: encoded.append(len(x)) or encode(self, x))
    store, _, gallery = evaluated(method)
    assert encoded == [1] * 6  # three contents and three styles, of nine pairs
    for index in (1, 8):
        content, style = gallery(pairs[index].content_path), gallery(pairs[index].style_path)
        whole = 255 * float(method.stylize(content, style).mean())
        assert store.rows()[index]["of output"] == pytest.approx(whole, abs=0.02)


def test_a_picture_is_cut_at_its_center(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(60, dtype=np.uint8), (20, 1))
    Image.fromarray(np.stack([ramp] * 3, -1)).save(tmp_path / "wide.png")
    Image.fromarray(np.stack([ramp.T] * 3, -1)).save(tmp_path / "high.png")
    wide, high = (np.asarray(Frame(20, crop=True).read(tmp_path / f"{name}.png"))[..., 0] for name in ("wide", "high"))
    assert wide[0].tolist() == high[:, 0].tolist() == list(range(20, 40))
    assert Frame(10, crop=False).read(tmp_path / "wide.png").size == (30, 10)


def test_every_metric_is_the_one_of_its_name(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object]] = []

    def load(network: str, path: object = None) -> torch.nn.Module:
        asked.append((network, path))
        loaded = torch.nn.Identity()
        loaded.extract_features = list  # type: ignore[assignment]
        return loaded

    monkeypatch.setattr(Lpips, "load", load)
    names = ["style_loss_mean", "style_loss_sum", "lpips", "lpips_vgg16"]
    suite = build_suite(names, encoder, {"lpips_alexnet": "a.npz", "lpips_vgg16": "v.npz"}, CPU)
    assert asked == [("alexnet", "a.npz"), ("vgg16", "v.npz")]
    output, content, style = torch.rand(3, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean, total = (float(suite.pair[name].per_pair(output, content, style)) for name in names[:2])
    assert 64 * mean < total < 512 * mean  # the layers' numbers of channels
