"""Losses and pictures of the systems over the same contents and styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adain.data.picture import to_picture
from adain.evaluation.pairs import Pair
from adain.evaluation.run import Frame, Gallery
from adain.evaluation.store import ComparisonStore, Row, Table
from adain.methods.gatys import Gatys
from adain.methods.interface import Method
from adain.metrics.metric_suite import build_suite
from adain.nn.encoder import Encoder
from adain.runtime.progress import Bar
from adain.runtime.schema import StyleMeasure

FIGURES = ("content_feature_loss", "content_loss", "style_loss_mean")
"""Names of ``schema.MetricName``: content against the content's own features, as Gatys et al. have it; against the AdaIN
target, the paper's training loss; and the distance of channel statistics to the style's."""


class Judge:
    """Pictures brought to one size, and the losses of what is made of them.

    Args:
        encoder: On the device.
        size: Side of the central square that is taken, in pixels.
    """

    def __init__(self, encoder: Encoder, size: int, device: torch.device) -> None:
        self.encoder = encoder
        self.gallery = Gallery(Frame(size, crop=True), device)
        self.suite = build_suite(FIGURES, encoder, {}, device)

    def pictures(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """Return content and style, each ``1 x 3 x size x size``, RGB in [0, 1], whose features are kept for a while."""
        content, style = (
            self.suite.features.join([self.gallery(path)]) for path in (pair.content_path, pair.style_path)
        )
        return content, style

    @torch.no_grad()
    def __call__(self, output: Tensor, pair: Pair) -> dict[str, float]:
        """Return the figures of one output picture, ``1 x 3 x size x size``."""
        content, style = self.pictures(pair)
        return {name: metric.per_pair(output, content, style).item() for name, metric in self.suite.pair.items()}


def measure_pixels(
    judge: Judge, pairs: Sequence[Pair], iterations: Sequence[int], measure: StyleMeasure, store: ComparisonStore
) -> None:
    """Measure Gatys' losses of every pair that the store has not, before the first iteration and after each of some.

    Args:
        judge: Of the figure's size.
        pairs: Contents and styles.
        iterations: Where to look, at least 1.
        measure: Of style in what is optimized.
        store: Keeps a pair's rows when it is finished.
    """
    left = [p for p in pairs if not store.has("losses", method="gatys", content=p.content, style=p.style)]
    method = Gatys(judge.encoder, measure=measure, iterations=max(iterations), progress=False)
    with Bar(
        total=len(left) * max(iterations), desc="losses of gatys", unit="iteration", disable=not left, leave=False
    ) as bar:
        for pair in left:
            rows = []
            for found in method.iterate(*judge.pictures(pair)):
                if found.iteration in (0, *iterations):
                    rows.append(_row("gatys", pair, judge(found.picture, pair)) | {"iteration": found.iteration})
                bar.update(found.iteration > 0)
            store.append("losses", rows)


def measure_losses(
    judge: Judge, name: str, method: Method[Any], pairs: Sequence[Pair], table: Table, store: ComparisonStore
) -> None:
    """Measure any system's losses of every pair that the store has not."""
    left = [p for p in pairs if not store.has(table, method=name, content=p.content, style=p.style)]
    for pair in Bar(left, desc=f"losses of {name}", unit="pair", disable=not left, leave=False):
        output = method.stylize(*judge.pictures(pair))
        store.append(table, [_row(name, pair, judge(output, pair))])


def make_pictures(
    judge: Judge, prefix: str, name: str, method: Method[Any], pairs: Sequence[tuple[int, Pair]], store: ComparisonStore
) -> None:
    """Write one output a pair, named ``<prefix>_<row>_<name>``; those that are there are left as they are."""
    left = [(row, pair) for row, pair in pairs if not store.output(f"{prefix}_{row}_{name}").exists()]
    for row, pair in Bar(left, desc=f"pictures of {name}", unit="picture", disable=len(left) < 2, leave=False):
        output = method.stylize(*judge.pictures(pair))
        store.keep(f"{prefix}_{row}_{name}", to_picture(output[0]))


def _row(name: str, pair: Pair, figures: dict[str, float]) -> Row:
    return {"method": name, "content": pair.content, "style": pair.style, "iteration": None, **figures}
