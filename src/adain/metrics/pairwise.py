"""Metrics of an output picture and the content and style that it came from, averaged over pairs and over ranks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure

from adain.functional.losses import content_loss, gram_loss, style_loss
from adain.functional.statistics import Statistics, adain
from adain.metrics.feature_cache import check_pictures
from adain.metrics.frechet import sifid
from adain.metrics.histogram import histogram_distance
from adain.metrics.lpips import Lpips
from adain.metrics.structure import cfsd, color_distance
from adain.nn.encoder import BOTTLENECK, STYLE_LAYERS
from adain.runtime.errors import InputError
from adain.runtime.schema import StyleReduction

_WINDOW_HALF = 5  # of SSIM's 11 pixels


class PairMetric(Metric):
    """A mean over pairs of one figure a pair.

    ``update`` and ``per_pair`` take the output, its content and its style, each ``N x 3 x H x W``, RGB in [0, 1]; the
    output is as large as the content. Anything else is a ``InputError``. Sums are kept in float64 and added over ranks.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, output: Tensor, content: Tensor, style: Tensor) -> None:
        """Take N pairs."""
        values = self.per_pair(output, content, style)
        self.total += values.double().sum()
        self.count += len(values)

    def compute(self) -> Tensor:
        """Return the mean over all pairs of all ranks; NaN if there were none."""
        return self.total / self.count

    @torch.no_grad()
    def per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        """Return the N figures, in float32, of N pairs.

        Raises:
            InputError: If a picture is out of [0, 1], or the output is not as large as the content.
        """
        check_pictures(output=output, content=content, style=style)
        if output.shape != content.shape:
            raise InputError(
                f"the output is {tuple(output.shape)} and the content {tuple(content.shape)}: "
                "metrics compare pictures of one size"
            )
        return self._per_pair(output, content, style).float()

    @abstractmethod
    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor: ...


class FeatureMetric(PairMetric):
    """A ``PairMetric`` of features.

    Args:
        see: Gives them of pictures, usually a ``FeatureCache`` or what one keeps, shared by the metrics of an evaluation.
    """

    def __init__(self, see: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.see = see


def _each(index: int, statistics: Statistics) -> Statistics:
    return Statistics(statistics.mean[index : index + 1], statistics.std[index : index + 1])


class ContentLoss(FeatureMetric):
    """Mean squared distance at relu4_1 between the output's features and the AdaIN target: the paper's content loss.

    At least 0, in squared activations of the encoder; lower is better. See ``losses.content_loss``.
    """

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        target = adain(self.see(content).deepest, self.see(style).statistics[BOTTLENECK])
        return _one_by_one(self.see(output).deepest, target)


class ContentFeatureLoss(FeatureMetric):
    """Mean squared distance at relu4_1 between the features of output and content: what Gatys et al. call content.

    At least 0, in squared activations of the encoder; lower keeps more. The AdaIN target itself is not at 0.
    """

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        return _one_by_one(self.see(output).deepest, self.see(content).deepest)


def _one_by_one(features: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([content_loss(f[None], t[None]) for f, t in zip(features, targets, strict=True)])


class StyleLoss(FeatureMetric):
    """Distance of channel statistics to the style's, summed over relu1_1 to relu4_1: the paper's style loss.

    At least 0, in squared activations of the encoder; lower is better. See ``losses.style_loss``.

    Args:
        see: Gives the features.
        reduction: ``mean`` over channels, the ports' convention, or ``sum``, the authors'.
    """

    def __init__(self, see: Callable[[Tensor], Any], reduction: StyleReduction) -> None:
        super().__init__(see)
        self.reduction = reduction

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        found, wanted = self.see(output).statistics, self.see(style).statistics
        values = []
        for index in range(len(output)):
            terms = [
                style_loss(_each(index, found[name]), _each(index, wanted[name]), self.reduction)
                for name in STYLE_LAYERS
            ]
            values.append(torch.stack(terms).sum())
        return torch.stack(values)


class GramLoss(FeatureMetric):
    """Distance of Gram matrices to the style's, averaged over relu1_1 to relu4_1: Gatys et al.'s style loss.

    At least 0, in the fourth power of the encoder's activations; lower is better. See ``losses.gram_loss``.
    """

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        found, wanted = self.see(output).grams, self.see(style).grams
        return torch.stack(
            [
                torch.stack(
                    [gram_loss(found[name][i : i + 1], wanted[name][i : i + 1]) for name in STYLE_LAYERS]
                ).mean()
                for i in range(len(output))
            ]
        )


class Cfsd(FeatureMetric):
    """Content Feature Structural Distance of output and content: at least 0; lower keeps more. See ``structure.cfsd``.

    Its features are those at relu3_1 of the VGG-19 that is compared by.
    """

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        if output is content:  # a control, and the dearest of all metrics
            return torch.zeros(len(output), device=output.device)
        return cfsd(self.see(output), self.see(content))


class Ssim(PairMetric):
    """Structural similarity of output and content: from -1 to 1, 1 for equal pictures; higher keeps more.

    Gaussian window of 11 pixels, sigma 1.5, mean over the three colors.

    Source:
        Wang et al. 2004; torchmetrics' implementation.
    """

    higher_is_better = True

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        if min(output.shape[-2:]) <= 2 * _WINDOW_HALF:
            raise InputError(
                f"SSIM needs pictures of more than {2 * _WINDOW_HALF} pixels, but they are {tuple(output.shape)}"
            )
        found = structural_similarity_index_measure(
            output.float(), content.float(), sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
        )
        # whole windows only, as Wang et al. have it; torchmetrics' own mean counts mirrored borders too
        inside = found[1][..., _WINDOW_HALF:-_WINDOW_HALF, _WINDOW_HALF:-_WINDOW_HALF]
        return inside.flatten(1).mean(1)


class LpipsDistance(FeatureMetric):
    """LPIPS of output and content: at least 0, about 0 to 1; lower keeps more. See ``lpips.Lpips``.

    Args:
        network: Compares features.
        see: Gives them; the network itself if None.
    """

    def __init__(self, network: Lpips, see: Callable[[Tensor], list[Tensor]] | None = None) -> None:
        super().__init__(see or network.extract_features)
        self.network = network
        self._last: tuple[Tensor, list[Tensor]] | None = None  # the controls compare with the same content

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        if output is content:
            return torch.zeros(len(output), device=output.device)
        if self._last is None or self._last[0] is not content:
            self._last = content, self.see(content)
        return self.network.distance(self.see(output), self._last[1])


class HistogramDistance(PairMetric):
    """Distance of the RGB-uv histograms of output and style: 0 to 1; lower is nearer. See ``histogram_distance``."""

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        return histogram_distance(output, style)


class Sifid(FeatureMetric):
    """SIFID of output and style, of ``frechet.InceptionStem``: at least 0; lower is nearer. See ``frechet.sifid``."""

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        return sifid(self.see(output), self.see(style))


class ColorDistance(PairMetric):
    """Hellinger distance of the joint RGB histograms (8 x 8 x 8) of output and style: 0 to 1; lower is nearer."""

    def _per_pair(self, output: Tensor, content: Tensor, style: Tensor) -> Tensor:
        return color_distance(output, style)
