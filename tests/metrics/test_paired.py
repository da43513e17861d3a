"""Intervals and the paired test against SciPy and against what is known of the design."""

from __future__ import annotations

import numpy as np
import pytest

from adain.metrics import paired
from adain.metrics.paired import Array, bootstrap_means, bootstrap_weights, compare, design, interval, sign_flip_p

CROSSED = [(f"c{i}", f"s{j}") for j in range(12) for i in range(12)]


def names(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [c for c, _ in pairs], [s for _, s in pairs]


def drawn(values: list[float], contents: list[str], styles: list[str], draws: int) -> Array:
    return bootstrap_means([values], contents, styles, draws, 1)[0]


def test_a_pair_counts_as_often_as_its_content_times_its_style() -> None:
    (found,) = bootstrap_weights(*names(CROSSED), 50, 1)
    random, expected = np.random.default_rng(1), np.ones((50, len(CROSSED)))
    for unit in names(CROSSED):  # all draws of contents before those of styles
        levels = sorted(set(unit))
        counts = random.multinomial(len(levels), [1 / len(levels)] * len(levels), size=50)
        expected *= counts[:, [levels.index(name) for name in unit]]
    assert (found == expected).all()


@pytest.mark.parametrize("pairs", [CROSSED, [(f"c{i}", f"s{i}") for i in range(30)]], ids=["crossed", "alone"])
def test_blocks_of_any_size_hold_the_same_draws(pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = bootstrap_weights(*names(pairs), 50, 1)
    monkeypatch.setattr(paired, "_BLOCK", 7 * len(pairs))
    parts = list(bootstrap_weights(*names(pairs), 50, 1))
    assert [len(part) for part in parts] == [7] * 7 + [1]
    assert (np.concatenate(parts) == whole).all()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", "x"), ("b", "y")], "pairs"),
        ([("a", "x"), ("b", "x")], "pairs"),  # one style: drawn over contents, for that style alone
        ([("a", "x"), ("a", "y"), ("b", "z")], "contents"),
        ([("a", "x"), ("b", "x"), ("c", "y")], "styles"),
        (CROSSED, "contents and styles"),
    ],
)
def test_design(pairs: list[tuple[str, str]], expected: str) -> None:
    assert design(*names(pairs)) == expected


def test_sign_flip_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(0).normal(0.4, 1, 11)
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p(differences) == pytest.approx(expected)
    many = np.random.default_rng(1).normal(0.2, 1, 60)
    expected = stats.ttest_1samp(many, 0).pvalue
    assert sign_flip_p(many) == pytest.approx(expected, abs=0.02)


def test_interval_of_independent_pairs_is_the_normal_one() -> None:
    values = np.random.default_rng(2).normal(3, 2, 200)
    contents, styles = [f"c{i}" for i in range(200)], [f"s{i}" for i in range(200)]
    found = interval(drawn(values.tolist(), contents, styles, 4000))
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)


def test_crossed_pairs_are_not_taken_for_independent() -> None:
    """Values that depend on the content alone: 12 observations, not 144."""
    effect = dict(zip([f"c{i}" for i in range(12)], np.random.default_rng(3).normal(0, 1, 12), strict=True))
    contents, styles = names(CROSSED)
    values = [effect[c] for c in contents]
    low, high = interval(drawn(values, contents, styles, 4000)) or (0, 0)
    expected = 2 * 1.96 * np.std(list(effect.values())) / np.sqrt(12)
    assert high - low == pytest.approx(expected, rel=0.12)
    found = compare(values, [0.0] * 144, contents, styles, drawn(values, contents, styles, 500))
    assert found.p is not None
    assert found.p > 0.1  # as 144 independent values it would look like a difference


def test_a_clear_difference_is_found_and_has_its_sign() -> None:
    random = np.random.default_rng(4)
    contents, styles = names(CROSSED)
    second = random.normal(0, 1, 144)
    first = second - 0.5 + random.normal(0, 0.1, 144)
    means = drawn((first - second).tolist(), contents, styles, 2000)
    found = compare(first.tolist(), second.tolist(), contents, styles, means)
    assert found.difference == pytest.approx(-0.5, abs=0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.5 < found.high < 0
    assert found.p is not None
    assert found.p < 0.01


def test_one_pair_says_nothing() -> None:
    found = compare([1.0], [2.0], ["c"], ["s"], drawn([-1.0], ["c"], ["s"], 10))
    assert found == (-1.0, None, None, None)
