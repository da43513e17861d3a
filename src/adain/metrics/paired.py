"""How sure a mean over pairs is: intervals and a paired test that mind that pairs share contents and styles.

With 10 contents in 10 styles there are 100 pairs but not 100 independent ones: a hard content is hard in every style. The
units that are drawn and flipped here are therefore contents and styles where those are shared, and pairs where not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Design = Literal["pairs", "contents", "styles", "contents and styles"]

_EXACT = 13  # up to so many units all sign patterns are tried
_BLOCK = 2**22  # numbers at a time


class Comparison(NamedTuple):
    """Two outputs on the same pairs, one metric.

    Attributes:
        difference: Mean of first minus second.
        low: Lower end of the bootstrap interval of it; None where there is one unit only.
        high: Upper end.
        p: Of the sign-flip test; None where there is one unit only.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None


def design(contents: Sequence[str], styles: Sequence[str]) -> Design:
    """Return which units the pairs are independent in.

    A factor of one level, such as a single style, cannot be drawn: what is said then holds for that style alone.
    """
    shared_contents = 1 < len(set(contents)) < len(contents)
    shared_styles = 1 < len(set(styles)) < len(styles)
    if shared_contents and shared_styles:
        return "contents and styles"
    return "contents" if shared_contents else "styles" if shared_styles else "pairs"


def bootstrap_weights(contents: Sequence[str], styles: Sequence[str], draws: int, seed: int) -> Iterator[Array]:
    """Yield how often each pair counts in each bootstrap draw, some draws at a time: all at once they can take gigabytes.

    Contents and styles are drawn with replacement, each by itself, and a pair counts as often as its content times as its
    style was drawn. This is slightly conservative.

    Args:
        contents: The content's name of each of n pairs.
        styles: The style's name of each.
        draws: How many.
        seed: Of the draws.

    Yields:
        ``d x n`` of the next d draws.

    Source:
        Owen 2007, "The pigeonhole bootstrap".
    """
    indices = _shared(contents, styles) or [_numbered([str(place) for place in range(len(contents))])]
    height = max(1, _BLOCK // len(contents))
    heights = [min(height, draws - start) for start in range(0, draws, height)]
    streams = _streams([int(index.max()) + 1 for index in indices], heights, seed)
    for count in heights:
        weights = np.ones((count, len(contents)))
        for stream, index in zip(streams, indices, strict=True):
            weights *= _drawn(stream, int(index.max()) + 1, count)[:, index]
        yield weights


def _shared(contents: Sequence[str], styles: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """Return the number of each pair's content and of its style, where pairs share them; nothing where they do not."""
    kind = design(contents, styles)
    return [_numbered(names) for word, names in (("contents", contents), ("styles", styles)) if word in kind]


def _numbered(names: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1]


def _streams(units: list[int], heights: list[int], seed: int) -> list[np.random.Generator]:
    """Return a generator for each kind of unit, as if all draws of one kind were made before those of the next."""
    random, found = np.random.default_rng(seed), list[np.random.Generator]()
    for number, count in enumerate(units, 1):
        found.append(copy.deepcopy(random))
        for height in heights if number < len(units) else []:
            _drawn(random, count, height)
    return found


def _drawn(random: np.random.Generator, units: int, draws: int) -> npt.NDArray[np.int64]:
    """Return how often each unit was drawn, ``draws x units``."""
    return random.multinomial(units, np.full(units, 1 / units), size=draws)


def bootstrap_means(
    figures: Sequence[Sequence[float]], contents: Sequence[str], styles: Sequence[str], draws: int, seed: int
) -> list[Array]:
    """Return the mean of each figure in each bootstrap draw.

    Args:
        figures: Of each figure, one value a pair.
        contents: The content's name of each pair.
        styles: The style's name of each.
        draws: How many.
        seed: Of the draws.

    Returns:
        Of each figure, one mean a draw; none where fewer than two pairs leave nothing to draw.
    """
    found: list[list[Array]] = [[np.empty(0)] for _ in figures]
    for weights in bootstrap_weights(contents, styles, draws, seed) if len(contents) > 1 and figures else ():
        total = weights.sum(1)
        for means, values in zip(found, figures, strict=True):
            means.append((weights @ np.asarray(values, dtype=np.float64))[total > 0] / total[total > 0])
    return [np.concatenate(means) for means in found]


def interval(means: Array, level: float = 0.95) -> tuple[float, float] | None:
    """Return both ends of a mean's percentile interval of its ``bootstrap_means``, or None where nothing was drawn."""
    if not len(means):
        return None
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sign_flip_p(differences: Array, draws: int = 9999, seed: int = 0) -> float | None:
    """Return the two-sided p of a paired permutation test: that differences are symmetric around 0, by their mean.

    Args:
        differences: One an independent unit. Up to 13 are tried in all sign patterns, more in random ones.
        draws: Random patterns.
        seed: Of them.

    Returns:
        From 1 / (draws + 1) to 1, or None for fewer than two units.
    """
    count = len(differences)
    if count < 2:
        return None
    observed = abs(differences.mean()) * (1 - 1e-12)  # ties are not lost to rounding
    if count <= _EXACT:
        patterns = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float((np.abs(patterns @ differences) / count >= observed).mean())
    patterns = np.random.default_rng(seed).integers(0, 2, (draws, count), dtype=np.int8) * 2 - 1
    return float(((np.abs(patterns @ differences) / count >= observed).sum() + 1) / (draws + 1))


def compare(
    first: Sequence[float], second: Sequence[float], contents: Sequence[str], styles: Sequence[str], means: Array
) -> Comparison:
    """Compare one metric of two outputs on the same pairs.

    The test flips the sign of the mean difference of each independent unit. Where contents and styles are both shared it
    is made over contents and over styles, and the larger p is given.

    Args:
        first: Of one output, one value a pair.
        second: Of the other, the same pairs in the same order.
        contents: Each pair's content.
        styles: Each pair's style.
        means: Of ``bootstrap_means`` for the differences.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    units = [np.bincount(index, differences) / np.bincount(index) for index in _shared(contents, styles)]
    found = [sign_flip_p(unit) for unit in units or [differences]]
    low, high = interval(means) or (None, None)
    p = None if None in found else max(value for value in found if value is not None)
    return Comparison(float(differences.mean()), low, high, p)
