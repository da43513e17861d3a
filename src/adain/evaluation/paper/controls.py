"""The paper's runtime controls, figures 7 to 10, with numbers: strength, interpolation, color, regions.

Every function takes the pairs of all contents with all styles, measures what the store has not, and keeps each output's
row at once, in the table of its name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from adain.data.picture import to_picture
from adain.evaluation.pairs import Pair
from adain.evaluation.paper.quality import Judge
from adain.evaluation.store import ComparisonStore, Row
from adain.functional.color import colors, coral, keep_chroma
from adain.functional.losses import style_loss
from adain.functional.statistics import Statistics, channel_statistics, regions
from adain.metrics.structure import color_distance
from adain.nn.adain import StyleTransfer
from adain.nn.encoder import STYLE_LAYERS
from adain.runtime.progress import Bar

Color = Literal["none", "coral", "luminance"]
COLORINGS: tuple[Color, ...] = ("none", "coral", "luminance")
ROWS = 3
"""Of a figure of pictures."""
SIDES = ("left", "right")
"""Halves of a picture, each with a style of its own."""


class Stylist:
    """A decoder with the pictures of a comparison, each encoded once.

    Args:
        judge: Of the figures' size.
        network: Encoder, AdaIN, and decoder.
    """

    def __init__(self, judge: Judge, network: StyleTransfer) -> None:
        self.judge, self.network = judge, network
        self._content = lru_cache(1)(lambda path: network.encode(judge.gallery(path)))  # pairs come content by content
        self._style = cache(lambda path: network.encode_style(judge.gallery(path)))

    @torch.inference_mode()
    def __call__(self, content: Path, styles: Sequence[Path | Tensor], alpha: float = 1.0, **options: Any) -> Tensor:
        """Return a content in one style or several, ``1 x 3 x H x W``.

        Args:
            content: Its file.
            styles: Their files, or pictures ``1 x 3 x H x W`` that are no file's.
            alpha: See ``functional.target``.
            options: ``weights`` or ``shares``: see there.
        """
        size = self.judge.gallery(content).shape[-2:]
        encoded = [self.network.encode_style(one) if isinstance(one, Tensor) else self._style(one) for one in styles]
        return self.network.render(self._content(content), size, encoded, alpha, **options)


def measure_alpha(stylist: Stylist, alphas: Sequence[float], pairs: Sequence[Pair], store: ComparisonStore) -> None:
    """Measure figure 7: the losses at each alpha, and how far the pixels are from the content's."""
    jobs = [(pair, alpha) for pair in pairs for alpha in alphas]
    jobs = [job for job in jobs if not store.has("alpha", **_named(job[0]), alpha=job[1])]
    for pair, alpha in Bar(jobs, desc="strength", unit="picture", disable=not jobs, leave=False):
        output = stylist(pair.content_path, [pair.style_path], alpha)
        error = (output - stylist.judge.pictures(pair)[0]).square().mean().item()
        store.append("alpha", [_named(pair) | {"alpha": alpha, **stylist.judge(output, pair), "pixel_error": error}])


def measure_style_weight(stylist: Stylist, weight: float, pairs: Sequence[Pair], store: ComparisonStore) -> None:
    """Measure what stands beside figure 7: the losses of a decoder that was trained with another lambda, at alpha 1."""
    for pair in pairs:
        if not store.has("style_weight", **_named(pair), style_weight=weight):
            output = stylist(pair.content_path, [pair.style_path])
            store.append("style_weight", [_named(pair) | {"style_weight": weight, **stylist.judge(output, pair)}])


def measure_interpolation(
    stylist: Stylist, weights: Sequence[float], pairs: Sequence[Pair], store: ComparisonStore
) -> None:
    """Measure figure 8: the style loss to each of two neighboring styles, by the second one's weight, from 0 to 1."""
    for first, second in _neighbors(pairs):
        for weight in weights:
            names = {"content": first.content, "style": first.style, "second_style": second.style, "weight": weight}
            if store.has("interpolation", **names):
                continue
            output = stylist(first.content_path, [first.style_path, second.style_path], weights=[1 - weight, weight])
            losses = [stylist.judge(output, pair)["style_loss_mean"] for pair in (first, second)]
            store.append("interpolation", [names | {"style_loss": losses[0], "second_style_loss": losses[1]}])


def measure_color(stylist: Stylist, pairs: Sequence[Pair], store: ComparisonStore) -> None:
    """Measure figure 9: losses, and the distance of colors to content and style, without and with color control."""
    jobs = [(pair, control) for pair in pairs for control in COLORINGS]
    jobs = [job for job in jobs if not store.has("color", **_named(job[0]), control=job[1])]
    for pair, control in Bar(jobs, desc="color", unit="picture", disable=not jobs, leave=False):
        output = colored(stylist, pair, control)
        row = _named(pair) | {"control": control, **stylist.judge(output, pair)}
        for name, picture in zip(("content", "style"), stylist.judge.pictures(pair), strict=True):
            row[f"color_to_{name}"] = color_distance(output, picture).item()
        store.append("color", [row])


def colored(stylist: Stylist, pair: Pair, control: Color) -> Tensor:
    """Return an output whose colors are the style's, or the content's in one of two ways.

    ``coral`` gives the style the content's colors first, ``luminance`` takes each pixel's from the content.
    """
    content, style = stylist.judge.pictures(pair)
    recolored = coral(style, colors(content)).clamp(0, 1) if control == "coral" else pair.style_path
    output = stylist(pair.content_path, [recolored])
    return keep_chroma(output, content) if control == "luminance" else output


def measure_regions(stylist: Stylist, pairs: Sequence[Pair], store: ComparisonStore) -> None:
    """Measure figure 10: the style loss of each half to both styles, where each half is given one of two neighbors."""
    for first, second in _neighbors(pairs):
        names = {"content": first.content, "style": first.style, "second_style": second.style}
        if store.has("regions", **names):
            continue
        judge = stylist.judge
        styles = [judge.suite.features(judge.pictures(pair)[1]).statistics for pair in (first, second)]
        content, output = judge.pictures(first)[0], in_halves(stylist, first, second)
        rows: list[Row] = []
        for side, (own, other) in zip(SIDES, (styles, styles[::-1]), strict=True):
            found, before = (_region_statistics(judge, picture, side) for picture in (output, content))
            losses = {"own_loss": (found, own), "other_loss": (found, other), "content_own_loss": (before, own)}
            rows.append(names | {"region": side} | {key: _style_loss(*pair) for key, pair in losses.items()})
        store.append("regions", rows)


def in_halves(stylist: Stylist, first: Pair, second: Pair) -> Tensor:
    """Return the first pair's content, its left half in the first pair's style and its right half in the second's."""
    content = stylist.judge.pictures(first)[0]
    height, width = (-(-side // 8) for side in content.shape[-2:])
    masks = torch.cat([_half(side, (height, width), content) for side in SIDES], 1)
    return stylist(first.content_path, [first.style_path, second.style_path], shares=regions(masks))


def _half(side: str, shape: Sequence[int], like: Tensor) -> Tensor:
    """Return a mask ``1 x 1 x H x W`` of one half."""
    left = (torch.arange(shape[1]) < shape[1] / 2).expand(1, 1, *shape)
    return (left if side == "left" else ~left).to(like)


@torch.no_grad()
def _region_statistics(judge: Judge, picture: Tensor, side: str) -> dict[str, Statistics]:
    features = judge.encoder.iter_features(picture)
    return {
        name: channel_statistics(f, region=_half(side, f.shape[-2:], f)) for name, f in features if name in STYLE_LAYERS
    }


def _style_loss(output: dict[str, Statistics], style: dict[str, Statistics]) -> float:
    return sum(style_loss(output[name], style[name], "mean").item() for name in STYLE_LAYERS)


# --- pictures -----------------------------------------------------------------------------------------------------------


def make_control_pictures(
    stylist: Stylist, alphas: Sequence[float], pairs: Sequence[Pair], store: ComparisonStore
) -> None:
    """Write the outputs that figures 7 to 10 show; in figure 8, the alphas are the steps between styles."""
    made: dict[str, Callable[[], Tensor]] = {}
    for row, pair in enumerate(shown_pairs(pairs)):
        for alpha in alphas:
            made[f"alpha_{row}_{alpha:g}"] = partial(stylist, pair.content_path, [pair.style_path], alpha)
        for control in COLORINGS:
            made[f"color_{row}_{control}"] = partial(colored, stylist, pair, control)
    for row, (first, second) in enumerate(shown_neighbors(pairs)):
        made[f"regions_{row}"] = partial(in_halves, stylist, first, second)
    four = [pair.style_path for pair in corners(pairs)]
    for i, down in enumerate(alphas):
        for j, right in enumerate(alphas):
            weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
            made[f"mix_{i}_{j}"] = partial(stylist, pairs[0].content_path, four, weights=weights)
    left = {name: make for name, make in made.items() if not store.output(name).exists()}
    for name, make in Bar(left.items(), desc="pictures of controls", unit="picture", disable=not left, leave=False):
        store.keep(name, to_picture(make()[0]))


def shown_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the rows of figures 7 and 9: content i in style i."""
    return [_place(pairs, i, i) for i in range(min(ROWS, len(pairs)))]


def shown_neighbors(pairs: Sequence[Pair]) -> list[tuple[Pair, Pair]]:
    """Return the rows of figure 10: content i in styles i and i + 1; none where there is one style alone."""
    several = len({pair.style for pair in pairs}) > 1
    return [(_place(pairs, i, i), _place(pairs, i, i + 1)) for i in range(min(ROWS, len(pairs)) if several else 0)]


def _place(pairs: Sequence[Pair], content: int, style: int) -> Pair:
    """Return the pair of content and style by their numbers, counted anew where one kind is used up."""
    contents, styles = (list(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))
    chosen = contents[content % len(contents)], styles[style % len(styles)]
    return next(pair for pair in pairs if (pair.content, pair.style) == chosen)


def corners(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the first content in four styles, one a corner of figure 8; styles come again where there are fewer."""
    return [_place(pairs, 0, i) for i in range(4)]


def _neighbors(pairs: Sequence[Pair]) -> list[tuple[Pair, Pair]]:
    """Return each content with every two neighboring styles."""
    contents = dict.fromkeys(pair.content for pair in pairs)
    own = [[pair for pair in pairs if pair.content == content] for content in contents]
    return [both for line in own for both in itertools.pairwise(line)]


def _named(pair: Pair) -> Row:
    return {"content": pair.content, "style": pair.style}
