"""Frechet distances between two sets of pictures, over any features; FID and ArtFID are two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from adain.nn.weights import find
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command

INCEPTION_FEATURES = 2048


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> Tensor:
    """Squared Frechet distance of two normal distributions, ``|m - n|^2 + tr(A + B - 2 (A B)^(1/2))``.

    ``tr (A B)^(1/2)`` is the sum of the roots of the eigenvalues of ``A^(1/2) B A^(1/2)``, which is symmetric, so that
    rank-deficient covariances (fewer pictures than features) need no jitter.

    Args:
        mean: ``D``.
        covariance: ``D x D``, positive semi-definite.
        other_mean: As ``mean``.
        other_covariance: As ``covariance``.

    Returns:
        Scalar in float64, at least 0.

    Source:
        Dowson & Landau 1982; Heusel et al. 2017 for FID.
    """
    mean, other_mean = mean.double(), other_mean.double()
    covariance, other_covariance = covariance.double(), other_covariance.double()
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ other_covariance @ root).clamp_min(0).sqrt().sum()
    distance: Tensor = (mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * cross
    return distance.clamp_min(0)


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


class FrechetDistance(Metric):
    """Squared Frechet distance between the features of reference pictures and of outputs.

    Features in, so that any network serves: Inception's 2,048 (FID), or VGG-19's 512 channel means at relu4_1
    (``frechet_vgg19``, which is no FID). Sums are kept in float64 and added over ranks.

    Args:
        features: Their number D.
        kwargs: Of ``torchmetrics.Metric``.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(self, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        for kind in ("real", "fake"):
            self.add_state(f"{kind}_sum", torch.zeros(features, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{kind}_outer", torch.zeros(features, features, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{kind}_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, features: Tensor, real: bool) -> None:
        """Takes the features of N pictures.

        Args:
            features: ``N x D``.
            real: Whether they are reference pictures (styles) or outputs.
        """
        kind, x = "real" if real else "fake", features.double()
        setattr(self, f"{kind}_sum", getattr(self, f"{kind}_sum") + x.sum(0))
        setattr(self, f"{kind}_outer", getattr(self, f"{kind}_outer") + x.T @ x)
        setattr(self, f"{kind}_count", getattr(self, f"{kind}_count") + len(x))

    def compute(self) -> Tensor:
        """The distance, in float64, at least 0.

        Raises:
            UserError: If there are fewer than two pictures on either side.
        """
        parts = []
        for kind in ("real", "fake"):
            count = int(getattr(self, f"{kind}_count"))
            if count < 2:
                raise UserError(f"a Frechet distance needs two pictures on each side, but {kind} has {count}")
            mean = getattr(self, f"{kind}_sum") / count
            parts += [mean, (getattr(self, f"{kind}_outer") - count * torch.outer(mean, mean)) / (count - 1)]
        return frechet_distance(*parts)


class Inception(nn.Module):
    """The Inception v3 of FID (TensorFlow's of 2015), from the package torch-fidelity.

    Args:
        path: Its weights file; found or fetched if None.

    Raises:
        UserError: If the package or the weights cannot be had.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ModuleNotFoundError:
            raise UserError(f"the package torch-fidelity is not installed: {install_command('metrics')}") from None
        self.network = FeatureExtractorInceptionV3("fid", ["2048"], str(find("inception_fid", path)))

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """Features, ``N x 2048``, of ``N x 3 x H x W``, RGB in [0, 1], taken at 8 bits and resized to 299 px."""
        features: Tensor = self.network((picture * 255).round().to(torch.uint8))[0]
        return features.flatten(1)
