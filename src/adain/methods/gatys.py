"""Gatys et al. 2016: the picture's own pixels are optimized. Nothing is trained, every picture takes hundreds of steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.functional.losses import content_loss, measure_style, measured_loss, total_variation, weighted_total
from adain.functional.statistics import Statistics
from adain.methods.base import check_words
from adain.methods.interface import CAPABILITIES, Capabilities, require
from adain.nn.encoder import BOTTLENECK, Encoder
from adain.runtime.errors import InputError
from adain.runtime.progress import Bar
from adain.runtime.schema import MethodName, PixelOptimizer, StyleMeasure

STYLE_WEIGHTS: dict[StyleMeasure, float] = {"gram": 30.0, "statistics": 10.0}
"""Beside a content weight of 1. For the statistics AdaIN's lambda; for the Gram matrices chosen by eye at 256 px."""

_SMALLEST = 16  # pixels on the coarsest scale


class PixelStyle(NamedTuple):
    """A style as the targets of the optimization, for each scale from coarse to fine and each layer.

    Attributes:
        measure: What the targets are.
        scales: For each scale, ``C x C`` Gram matrices or channel statistics by the layer's name.
    """

    measure: StyleMeasure
    scales: list[dict[str, Tensor | Statistics]]


class Iterate(NamedTuple):
    """The picture after so many iterations.

    Attributes:
        iteration: From 0, the initial picture, on; counted over all scales.
        terms: Its losses, unweighted: ``content``, ``style`` (the sum over layers) and ``tv`` if weighted.
        picture: ``1 x 3 x h x w`` in [0, 1], smaller than the content before the last scale.
    """

    iteration: int
    terms: dict[str, float]
    picture: Tensor


class Gatys:
    """Style transfer by optimization of pixels.

    Minimizes ``content_weight |f(x) - f(c)|^2 + style_weight sum_l E_l(x, s) + tv_weight TV(x)`` over the pixels of x, which
    are put back into [0, 1] after every iteration.

    Deviations from the paper: the encoder stops at relu4_1, so content is measured there (as in Huang & Belongie 2017)
    and not at conv4_2, and style at relu1_1 to relu4_1 without conv5_1; max-pooling, not average; the content loss is a mean;
    several scales are a later habit (Gatys et al. 2017).

    Args:
        encoder: Frozen, on the device to work on.
        measure: Style as ``gram`` matrices, the original, or as mean and deviation (``statistics``), AdaIN's loss, with
            which Huang & Belongie refit this method for a fair comparison of losses.
        optimizer: ``lbfgs``, the original, or ``adam``.
        iterations: Over all scales.
        initial: ``content``, ``noise``, or a picture ``1 x 3 x h x w`` in [0, 1] of any size.
        scales: Sizes passed through, each twice the one before; the last is the content's. 1 is the original.
        content_weight: Of the content term.
        style_weight: Of the style term; None takes ``STYLE_WEIGHTS``.
        tv_weight: Of the total variation.
        lr: Step of Adam in units of the picture's range. L-BFGS takes its own, always 1.
        history: Iterations that L-BFGS remembers.
        seed: Of the noise.
        progress: Whether to show a bar with the time left.

    Raises:
        InputError: If a word or number is not allowed.
    """

    method: MethodName = "gatys"

    def __init__(
        self,
        encoder: Encoder,
        measure: StyleMeasure = "gram",
        optimizer: PixelOptimizer = "lbfgs",
        iterations: int = 300,
        initial: Literal["content", "noise"] | Tensor = "content",
        scales: int = 1,
        content_weight: float = 1.0,
        style_weight: float | None = None,
        tv_weight: float = 0.0,
        lr: float = 0.02,
        history: int = 20,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        check_words(measure=(measure, StyleMeasure), optimizer=(optimizer, PixelOptimizer))
        if isinstance(initial, str):
            check_words(initial=(initial, Literal["content", "noise"]))
        for name, number in (("iterations", iterations), ("scales", scales), ("history", history)):
            if number < 1:
                raise InputError(f"{name}={number} is too small: give at least 1")
        if iterations < scales:
            raise InputError(
                f"iterations={iterations} is too few for scales={scales}: give at least one iteration per scale"
            )
        self.encoder, self.measure, self.optimizer = encoder, measure, optimizer
        self.iterations, self.initial, self.scales = iterations, initial, scales
        self.lr, self.history, self.seed, self.progress = lr, history, seed, progress
        weight = STYLE_WEIGHTS[measure] if style_weight is None else style_weight
        self.weights = {"content": content_weight, "style": weight, "tv": tv_weight}

    @property
    def capabilities(self) -> Capabilities:
        """See ``interface``."""
        return CAPABILITIES[self.method]

    @torch.no_grad()
    def encode_style(self, style: Tensor) -> PixelStyle:
        """Return the style's Gram matrices or statistics at every layer and scale.

        Args:
            style: ``N x 3 x H x W``, RGB in [0, 1], H and W at least ``16 x 2^(scales - 1)``.
        """
        return PixelStyle(
            self.measure,
            [
                {
                    name: measure_style(features, self.measure)
                    for name, features in self.encoder.extract_features(smaller).items()
                }
                for smaller in self._pyramid(style, "style")
            ],
        )

    def stylize(self, content: Tensor, style: Tensor | PixelStyle, alpha: float = 1.0) -> Tensor:
        """Pictures with the content of one and the style of another, each optimized on its own.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: Pictures, ``N`` or 1 of any size, or what ``encode_style`` made of them.
            alpha: 1: strength is the style weight's matter.

        Returns:
            ``N x 3 x H x W`` in [0, 1].
        """
        if alpha != 1:
            require(self.method, "alpha")
        encoded = self.encode_style(style) if isinstance(style, Tensor) else style
        results = []
        for index in range(len(content)):
            with Bar(total=self.iterations, desc="pixels", unit="iteration", disable=not self.progress) as bar:
                for iterate in self.iterate(content[index : index + 1], _one(encoded, index)):
                    bar.update(iterate.iteration - bar.n)
                    bar.set_postfix({name: f"{value:.3g}" for name, value in iterate.terms.items()}, refresh=False)
            results.append(iterate.picture)
        return torch.cat(results)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def iterate(self, content: Tensor, style: Tensor | PixelStyle) -> Iterator[Iterate]:
        """The picture before, between and after the iterations, as the loop goes on.

        Args:
            content: ``1 x 3 x H x W``, RGB in [0, 1].
            style: One picture, or what ``encode_style`` made of it.

        Yields:
            ``iterations + 1`` iterates from the initial picture on, each with the losses it has itself.
        """
        targets = self.encode_style(style) if isinstance(style, Tensor) else style
        assert targets.measure == self.measure
        assert len(targets.scales) == self.scales
        with torch.no_grad():
            contents = [(smaller, self.encoder(smaller)) for smaller in self._pyramid(content.clone(), "content")]
        picture = self._start(content)
        done = 0
        for scale, ((smaller, content_features), style_targets) in enumerate(
            zip(contents, targets.scales, strict=True)
        ):
            share = self.iterations * (scale + 1) // self.scales - done
            picture = _resized(picture, smaller.shape[-2:])
            for iterate in self._descend(picture, content_features, style_targets, share):
                picture = iterate.picture
                if iterate.iteration < share or scale == self.scales - 1:
                    yield iterate._replace(iteration=done + iterate.iteration)
            done += share

    def _descend(
        self, picture: Tensor, content: Tensor, style: dict[str, Tensor | Statistics], iterations: int
    ) -> Iterator[Iterate]:
        """The iterations of one scale."""
        pixels = picture.clone().requires_grad_()
        optimizer: torch.optim.Optimizer
        if self.optimizer == "lbfgs":
            # One iteration a call: its memory lives on, and the pixels can be put back into their range in between.
            # A line search is thrown off by that: it took twice the evaluations to a higher loss.
            optimizer = torch.optim.LBFGS(
                [pixels], max_iter=1, history_size=self.history, tolerance_grad=0, tolerance_change=0
            )
        else:
            optimizer = torch.optim.Adam([pixels], lr=self.lr)
        first: dict[str, float] = {}  # terms of the picture that an iteration starts from

        def closure() -> float:
            optimizer.zero_grad()
            terms = self._terms(pixels, content, style)
            loss = weighted_total(terms, self.weights)
            # L-BFGS ignores curvatures below 1e-10: a mean over all pixels would have it crawl along the gradient
            torch.autograd.backward(loss * pixels.numel())
            first.update({name: term.item() for name, term in terms.items()})
            return loss.item() * pixels.numel()

        for iteration in range(iterations):
            before = pixels.detach().clone()
            optimizer.step(closure)  # type: ignore[no-untyped-call]
            if not all(map(math.isfinite, first.values())):
                raise InputError(f"the loss is not finite at iteration {iteration}: lower style_weight or tv_weight")
            with torch.no_grad():
                pixels.clamp_(0, 1)
            if torch.equal(pixels, before):  # its memory points out of the range: begin it anew
                optimizer.state.clear()
            yield Iterate(iteration, dict(first), before)
        with torch.no_grad():
            terms = self._terms(pixels, content, style)
        yield Iterate(iterations, {name: term.item() for name, term in terms.items()}, pixels.detach())

    def _terms(self, pixels: Tensor, content: Tensor, style: dict[str, Tensor | Statistics]) -> dict[str, Tensor]:
        features = self.encoder.extract_features(pixels)
        terms = {"content": content_loss(features[BOTTLENECK], content), "style": torch.zeros((), device=pixels.device)}
        for name, target in style.items():
            terms["style"] = terms["style"] + measured_loss(measure_style(features[name], self.measure), target)
        if self.weights["tv"]:
            terms["tv"] = total_variation(pixels)
        return terms

    def _start(self, content: Tensor) -> Tensor:
        if isinstance(self.initial, Tensor):
            return self.initial.to(content)
        if self.initial == "content":
            return content.clone()
        random = torch.Generator().manual_seed(self.seed)
        return torch.rand(content.shape, generator=random).to(content)

    def _pyramid(self, picture: Tensor, what: str) -> list[Tensor]:
        """Return the picture at every scale, coarse to fine."""
        height, width = picture.shape[-2:]
        factors = [2**power for power in range(self.scales - 1, -1, -1)]
        if min(height, width) < _SMALLEST * factors[0]:
            raise InputError(
                f"the {what} picture is {width} x {height}: give one of at least {_SMALLEST * factors[0]} x "
                f"{_SMALLEST * factors[0]}, or fewer scales than {self.scales}"
            )
        return [_resized(picture, (round(height / factor), round(width / factor))) for factor in factors]


def _resized(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def _one(style: PixelStyle, index: int) -> PixelStyle:
    """One picture's style of a batch of them, or the only one."""

    def pick(tensor: Tensor) -> Tensor:
        return tensor[index : index + 1] if len(tensor) > 1 else tensor

    return style._replace(
        scales=[
            {name: Statistics(*map(pick, x)) if isinstance(x, Statistics) else pick(x) for name, x in layers.items()}
            for layers in style.scales
        ]
    )
