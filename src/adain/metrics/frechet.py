"""Frechet distances between two sets of pictures, over any features; FID and ArtFID are two of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchvision.models import inception_v3

from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError
from adain.runtime.extras import install_command
from adain.runtime.files import expanded

INCEPTION_FEATURES = 2048
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")


def artfid(lpips: float, fid: float) -> float:
    """Return ArtFID, ``(1 + LPIPS(content, output)) (1 + FID(style, output))``; at least 1, lower is better.

    The published protocol (800 pairs) takes FID from an Inception network fine-tuned on paintings; with the usual one the
    values are on another scale. 800 pictures leave the 2,048-dimensional covariance rank-deficient, so values of
    different numbers of pictures must not be compared.

    Source:
        Wright & Ommer 2022.
    """
    return (1 + lpips) * (1 + fid)


def worth(pictures: int, features: int) -> str | None:
    """Return in a sentence what a Frechet distance over so few pictures is worth; None where there are enough."""
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
    (``frechet_vgg19``, which is not FID). Sums are kept in float64 and added over ranks; so is the result, which may be a
    hair below 0 for equal sets.

    Args:
        features: Their number D.
        kwargs: Of ``torchmetrics.Metric``.

    Source:
        Dowson & Landau 1982; Heusel et al. 2017 for FID.
    """
    return FrechetInceptionDistance(feature=_GivenFeatures(features), **kwargs)


ART_INCEPTION = "https://huggingface.co/matthias-wright/art_inception/resolve/main/art_inception.pth"


class ArtInception(nn.Module):
    """The Inception v3 of ArtFID: fine-tuned on paintings, without resizing or normalizing its pictures.

    Args:
        state: Its weights as published; those of its classifiers are not used.

    Raises:
        InputError: If they are not of that network.

    Source:
        Wright & Ommer 2022: torchvision's Inception v3 with two classifiers and two auxiliary ones.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
        self.network.fc = nn.Identity()
        kept = {name: value for name, value in state.items() if not name.startswith(("fc", "AuxLogits"))}
        try:
            self.network.load_state_dict(kept)
        except (RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"these are not the weights of ArtFID's Inception ({reason}): get {ART_INCEPTION}"
            ) from None

    @classmethod
    def load(cls, path: str | Path | None) -> ArtInception:
        """Return it with the weights of a file. None are found or fetched: their publisher states no digest to check them by.

        Raises:
            InputError: If there is no file.
        """
        if path is None:
            raise InputError(
                f"this protocol takes ArtFID's own Inception: get {ART_INCEPTION} and give weights.art_inception=FILE"
            )
        return cls(read_state(expanded(path)))

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """Return features, ``N x 2048``, of ``N x 3 x H x W``, RGB in [0, 1], H and W at least 75."""
        features: Tensor = self.network(picture)
        return features


class InceptionStem(nn.Module):
    """torchvision's Inception v3, from its published weights, up to its second pooling: SIFID compares its features.

    Source:
        Shaham et al. 2019 (SinGAN), section 4.2 and the authors' code: 192 features a position, pictures in [-1, 1].
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
        self.network = nn.Sequential(OrderedDict(list(self.network.named_children())[:6]))  # before the second pooling
        self.network.load_state_dict({name: value for name, value in state.items() if name.split(".")[0] in _STEM})

    @classmethod
    def load(cls, path: str | Path | None = None) -> InceptionStem:
        """Return it with the published weights, found and verified.

        Raises:
            InputError: If they cannot be had.
        """
        return cls(read_state(find("inception_torchvision", path)))

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """Return features, ``N x 192 x about H/4 x W/4``, of ``N x 3 x H x W``, RGB in [0, 1], H and W at least 32."""
        features: Tensor = self.network(2 * picture - 1)
        return features


def sifid(features: Tensor, other: Tensor) -> Tensor:
    """Return the Frechet distance between the positions of one picture and those of another.

    Args:
        features: ``N x C x h x w``.
        other: ``N x C x h' x w'``.

    Returns:
        ``N`` values in float32, at least 0; lower is nearer.
    """
    values = []
    for one, two in zip(features, other, strict=True):
        metric = frechet_distance(len(one), sync_on_compute=False)
        metric.update(two.flatten(1).T, real=True)
        metric.update(one.flatten(1).T, real=False)
        values.append(metric.compute().clamp_min(0).float())
    return torch.stack(values)


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
        """Return features, ``N x 2048``, of ``N x 3 x H x W``, RGB in [0, 1], taken at 8 bits and resized to 299 px."""
        features: Tensor = self.network((picture * 255).round().to(torch.uint8))[0]
        return features.flatten(1)
