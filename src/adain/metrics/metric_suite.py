"""The metrics of an evaluation, by name: what each needs, and which are left out because something cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import Tensor

from adain.metrics.feature_cache import STRUCTURE_LAYER, FeatureCache
from adain.metrics.flicker import MOTIONS
from adain.metrics.frechet import INCEPTION_FEATURES, ArtInception, Inception, InceptionStem
from adain.metrics.lpips import Lpips
from adain.metrics.pairwise import (
    Cfsd,
    ColorDistance,
    ContentFeatureLoss,
    ContentLoss,
    GramLoss,
    HistogramDistance,
    LpipsDistance,
    PairMetric,
    Sifid,
    Ssim,
    StyleLoss,
)
from adain.metrics.units import UNITS, ContentLossIn, Deeper, StyleLossIn
from adain.nn.encoder import BOTTLENECK, Encoder
from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError
from adain.runtime.schema import Concrete, LossUnits, MetricName, MetricProtocol


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
    names: Sequence[str],
    encoder: Encoder,
    weights: Mapping[str, str | None],
    device: torch.device,
    protocol: MetricProtocol = "ours",
    precision: Concrete = "32-true",
) -> MetricSuite:
    """Return the named metrics, ready for use.

    Args:
        names: Of ``MetricName``.
        encoder: VGG-19, on the device.
        weights: Files of the networks of ``MetricWeights``; found or fetched where None, ``art_inception`` left out.
        device: Where they work.
        protocol: Whose conventions CFSD and FID follow; see ``conventions``.
        precision: Of the encoder's arithmetic.

    Raises:
        InputError: If a name is unknown. A metric whose weights cannot be had is no error: see ``MetricSuite.left_out``.
    """
    if unknown := [name for name in names if name not in get_args(MetricName)]:
        raise InputError(f"there is no metric {unknown[0]}: choose among {', '.join(get_args(MetricName))}")
    features = FeatureCache(encoder, precision=precision)
    suite = MetricSuite(features)

    def lpips() -> PairMetric:
        network = Lpips.load("alexnet", weights.get("lpips_alexnet"))
        features.networks["lpips"] = network.extract_features
        return LpipsDistance(network, lambda picture: features.of("lpips", picture))

    def cfsd() -> PairMetric:
        if protocol == "ours":
            return Cfsd(lambda picture: features(picture).structure)
        network = Encoder.load("vgg19_torchvision", weights.get("vgg19_torchvision")).to(device)
        features.networks["torchvision"] = lambda picture: network.extract_features(picture, [STRUCTURE_LAYER])[
            STRUCTURE_LAYER
        ]
        return Cfsd(lambda picture: features.of("torchvision", picture))

    def sifid() -> PairMetric:
        features.networks["sifid"] = InceptionStem.load(weights.get("inception_torchvision")).to(device).eval()
        return Sifid(lambda picture: features.of("sifid", picture))

    simple: dict[str, Callable[[], PairMetric]] = {
        "content_loss": lambda: ContentLoss(features),
        "content_feature_loss": lambda: ContentFeatureLoss(features),
        "style_loss_mean": lambda: StyleLoss(features, "mean"),
        "style_loss_sum": lambda: StyleLoss(features, "sum"),
        "gram_loss": lambda: GramLoss(features),
        "lpips": lpips,
        "lpips_vgg16": lambda: LpipsDistance(Lpips.load("vgg16", weights.get("lpips_vgg16"))),
        "ssim": Ssim,
        "cfsd": cfsd,
        "color_distance": ColorDistance,
        "histogram_distance": HistogramDistance,
        "sifid": sifid,
    }
    for name in names:
        try:
            if name in simple:
                suite.pair[name] = simple[name]().to(device)
            elif name == "frechet_vgg19":
                suite.sets[name] = lambda picture: features(picture).statistics[BOTTLENECK].mean.flatten(1)
            elif name == "fid":
                network = Inception(weights.get("inception_fid")) if protocol == "ours" else (
                    ArtInception.load(weights.get("art_inception"))
                )  # fmt: skip
                suite.sets[name] = network.to(device).eval()
        except InputError as error:
            suite.left_out[name] = str(error)
    missing = [part for part in ("lpips", "fid") if part not in suite.pair and part not in suite.sets]
    if "artfid" in names and missing:
        suite.left_out["artfid"] = f"it is made of lpips and fid, and {' and '.join(missing)} cannot be measured"
    return suite


def add_losses(suite: MetricSuite, units: Sequence[LossUnits], weights: str | None, device: torch.device) -> None:
    """Add the content and the style loss in papers' units, as ``content_loss_port`` and so on.

    Args:
        suite: Of the normalized VGG-19.
        units: Whose; ``ours`` are among the metrics anyway.
        weights: The encoder's file; found or fetched if None.
        device: Where they work.
    """
    features = suite.features
    if "stytr2" in units:
        deeper = Deeper(read_state(find("vgg19_normalized", weights))).to(device)
        features.networks["deeper"] = lambda picture: deeper(features(picture).deepest)
    for name in units:
        if name != "ours":
            for kind, metric in (("content", ContentLossIn), ("style", StyleLossIn)):
                suite.pair[f"{kind}_loss_{name}"] = metric(
                    name, features, lambda picture: features.of("deeper", picture)
                )


def conventions(protocol: MetricProtocol) -> dict[str, str]:
    """Return how each metric whose conventions differ between papers is taken here, in words."""
    content, style = UNITS["ours"]
    said = {"content_loss": content, "style_loss_mean": style, "style_loss_sum": style.replace("averaged", "summed")}
    for name, (content, style) in UNITS.items():
        said |= {f"content_loss_{name}": content, f"style_loss_{name}": style}
    for motion, moved in MOTIONS.items():
        said[f"flicker_{motion}"] = f"mean absolute change from frame to frame of a view that moves {moved}"
        said[f"warping_{motion}"] = (
            "the same with the motion undone; sampling between pixels makes the content's above 0"
        )
    said["artfid"] = "(1 + lpips) (1 + fid), with that fid"
    if protocol == "ours":
        return said | {
            "lpips": "AlexNet, version 0.1, on the outputs as computed",
            "cfsd": "relu3_1 of the evaluation's encoder",
            "fid": "TensorFlow's Inception of 2015 at 299 px, against each style once",
        }
    return said | {
        "lpips": "AlexNet, version 0.1, on outputs rounded to 8 bits, not resized",
        "cfsd": "relu3_1 of torchvision's VGG-19, outputs rounded to 8 bits",
        "fid": "ArtFID's Inception, not resized, each style as often as it was used",
    }


def features_of(name: str, encoder: Encoder) -> int:
    """Return how many features a Frechet distance is taken over."""
    return INCEPTION_FEATURES if name == "fid" else encoder.widths[BOTTLENECK]
