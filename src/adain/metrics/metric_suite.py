"""The metrics of an evaluation, by name: what each needs, and which are left out because something cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import Tensor

from adain.metrics.feature_cache import FeatureCache
from adain.metrics.frechet import INCEPTION_FEATURES, Inception
from adain.metrics.lpips import Lpips
from adain.metrics.pairwise import (
    Cfsd,
    ColorDistance,
    ContentFeatureLoss,
    ContentLoss,
    GramLoss,
    LpipsDistance,
    PairMetric,
    Ssim,
    StyleLoss,
)
from adain.nn.encoder import BOTTLENECK, Encoder
from adain.runtime.errors import InputError
from adain.runtime.schema import MetricName


@dataclass
class MetricSuite:
    """Metrics ready for use.

    Attributes:
        features: VGG-19's features, shared by them.
        pair: One figure a pair, by name.
        sets: Feature extractors of the Frechet distances, ``N x 3 x H x W`` to ``N x D``, by the distance's name.
        left_out: What cannot be measured here, by name, with what to do about it.
    """

    features: FeatureCache
    pair: dict[str, PairMetric] = field(default_factory=dict)
    sets: dict[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def build_suite(
    names: Sequence[str], encoder: Encoder, weights: Mapping[str, str | None], device: torch.device
) -> MetricSuite:
    """The named metrics.

    Args:
        names: Of ``MetricName``.
        encoder: VGG-19, on the device.
        weights: Files of ``lpips_alexnet``, ``lpips_vgg16`` and ``inception_fid``; found or fetched where None.
        device: Where they work.

    Raises:
        InputError: If a name is unknown. A metric whose weights cannot be had is no error: see ``MetricSuite.left_out``.
    """
    if unknown := [name for name in names if name not in get_args(MetricName)]:
        raise InputError(f"there is no metric {unknown[0]}: choose among {', '.join(get_args(MetricName))}")
    features = FeatureCache(encoder)
    suite = MetricSuite(features)
    simple: dict[str, Callable[[], PairMetric]] = {
        "content_loss": lambda: ContentLoss(features),
        "content_feature_loss": lambda: ContentFeatureLoss(features),
        "style_loss_mean": lambda: StyleLoss(features, "mean"),
        "style_loss_sum": lambda: StyleLoss(features, "sum"),
        "gram_loss": lambda: GramLoss(features),
        "lpips": lambda: LpipsDistance(Lpips.load("alexnet", weights.get("lpips_alexnet"))),
        "lpips_vgg16": lambda: LpipsDistance(Lpips.load("vgg16", weights.get("lpips_vgg16"))),
        "ssim": Ssim,
        "cfsd": lambda: Cfsd(features),
        "color_distance": ColorDistance,
    }
    for name in names:
        try:
            if name in simple:
                suite.pair[name] = simple[name]().to(device)
            elif name == "frechet_vgg19":
                suite.sets[name] = lambda picture: features(picture).statistics[BOTTLENECK].mean.flatten(1)
            elif name == "fid":
                suite.sets[name] = Inception(weights.get("inception_fid")).to(device).eval()
        except InputError as error:
            suite.left_out[name] = str(error)
    missing = [part for part in ("lpips", "fid") if part not in suite.pair and part not in suite.sets]
    if "artfid" in names and missing:
        suite.left_out["artfid"] = f"it is made of lpips and fid, and {' and '.join(missing)} cannot be measured"
    return suite


def features_of(name: str, encoder: Encoder) -> int:
    """How many features a Frechet distance is taken over."""
    return INCEPTION_FEATURES if name == "fid" else encoder.widths[BOTTLENECK]
