"""Frechet distances between two sets of pictures, over any features; FID and ArtFID are two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from adain.nn.weights import find
from adain.runtime.errors import InputError
from adain.runtime.extras import install_command

INCEPTION_FEATURES = 2048


def artfid(lpips: Tensor | float, fid: Tensor | float) -> Tensor | float:
    """ArtFID, ``(1 + LPIPS(content, output)) (1 + FID(style, output))``; at least 1, lower is better.

    The published protocol (800 pairs) takes FID from an Inception network fine-tuned on paintings; with the usual one the
    values are on another scale. 800 pictures leave the 2,048-dimensional covariance rank-deficient, so values of
    different numbers of pictures must not be compared.

    Source:
        Wright & Ommer 2022.
    """
    return (1 + lpips) * (1 + fid)


def worth(pictures: int, features: int) -> str | None:
    """What a Frechet distance over so few pictures is worth, in a sentence; None where there are enough."""
    if pictures > features:
        return None
    return (
        f"{pictures} pictures for {features} features: the covariance is rank-deficient and the value biased upwards; "
        "compare only values of the same number of pictures"
    )


class _GivenFeatures(nn.Module):
    """Stands for the network of torchmetrics' metric and hands features through, so that any network serves."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features.double()


def frechet_distance(features: int, **kwargs: Any) -> FrechetInceptionDistance:
    """Return the squared Frechet distance between the features of reference pictures and of outputs, as a metric.

    Its ``update`` takes features, ``N x D``: Inception's 2,048 (FID), or VGG-19's 512 channel means at relu4_1
    (``frechet_vgg19``, which is no FID). Sums are kept in float64 and added over ranks; so is the result, which may be a
    hair below 0 for equal sets.

    Args:
        features: Their number D.
        kwargs: Of ``torchmetrics.Metric``.

    Source:
        Dowson & Landau 1982; Heusel et al. 2017 for FID.
    """
    return FrechetInceptionDistance(feature=_GivenFeatures(features), **kwargs)


class Inception(nn.Module):
    """The Inception v3 of FID (TensorFlow's of 2015), from the package torch-fidelity.

    Args:
        path: Its weights file; found or fetched if None.

    Raises:
        InputError: If the package or the weights cannot be had.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ModuleNotFoundError:
            raise InputError(f"the package torch-fidelity is not installed: {install_command('metrics')}") from None
        self.network = FeatureExtractorInceptionV3("fid", ["2048"], str(find("inception_fid", path)))

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """Features, ``N x 2048``, of ``N x 3 x H x W``, RGB in [0, 1], taken at 8 bits and resized to 299 px."""
        features: Tensor = self.network((picture * 255).round().to(torch.uint8))[0]
        return features.flatten(1)
