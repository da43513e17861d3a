"""A chain of 3x3 convolutions: the body of encoder and decoder, by the fastest way for its device.

On a GPU cuDNN convolves and ``between`` does all else in one kernel per layer; feature maps then travel with the border
that the next convolution needs. Elsewhere, and where Triton is missing, ``layers`` does the steps one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from adain.kernels.between import Resize, between, takes_kernels
from adain.kernels.layers import doubled_conv2d, max_pool, mean_std, padded_conv2d


class Link(NamedTuple):
    """One convolution of a chain, and what happens to its output.

    Attributes:
        weight: ``O x C x 3 x 3``.
        bias: ``O``, or None.
        rectify: Whether ReLU follows, after ``normalize`` if that is given.
        normalize: A normalization of the convolution's output, or None.
        resize: What happens next: nothing, 2x2 max pooling, or nearest up-sampling x2.
        features: Whether the caller reads the features before ``resize``. Where it does not, they may never be written.
        eps: Whether the caller reads the features' statistics: added to their variance; None: it does not. Not with a
            resize.
    """

    weight: Tensor
    bias: Tensor | None
    rectify: bool = True
    normalize: Callable[[Tensor], Tensor] | None = None
    resize: Resize = "keep"
    features: bool = False
    eps: float | None = None


class Output(NamedTuple):
    """What one convolution of a chain gives.

    Attributes:
        features: ``N x O x H x W`` before the resize; None unless asked for.
        resized: The map after the resize; None where up-sampling is computed together with the next convolution.
        moments: Mean and standard deviation of the features, ``N x O x 1 x 1`` each, float32; None unless asked for.
    """

    features: Tensor | None
    resized: Tensor | None
    moments: tuple[Tensor, Tensor] | None


def convolve_chain(
    x: Tensor, links: Sequence[Link], padding: str = "reflect", ceil_mode: bool = True, folded: bool | None = None
) -> Iterator[Output]:
    """Convolve again and again, each convolution padded by one pixel so that it keeps the size.

    Args:
        x: ``N x C x H x W``, every map on the way at least 2 x 2 with reflection.
        links: The convolutions.
        padding: ``"reflect"``, or ``"constant"`` for zeros.
        ceil_mode: Whether pooling keeps an odd last row and column.
        folded: Whether each up-sampling is computed together with the next convolution (``layers.doubled_conv2d``). By
            default on a CPU only. Only for reflection.

    Yields:
        The output of each link, in order. Values equal those of the separate steps, up to rounding.
    """
    if folded is None and takes_kernels(x):
        return _by_kernels(x, links, padding, ceil_mode)
    return _by_layers(x, links, padding, ceil_mode, x.device.type == "cpu" if folded is None else folded)


def _by_layers(x: Tensor, links: Sequence[Link], padding: str, ceil_mode: bool, folded: bool) -> Iterator[Output]:
    doubled = False
    for link in links:
        rectify = link.rectify and link.normalize is None
        if doubled:
            x = doubled_conv2d(x, link.weight, link.bias, rectify)
        else:
            x = padded_conv2d(x, link.weight, link.bias, padding, rectify)
        if link.normalize is not None:
            x = link.normalize(x)
            x = F.relu_(x) if link.rectify else x
        moments = None if link.eps is None else mean_std(x, link.eps)
        features, doubled = (x if link.features else None), False
        if link.resize == "pool":
            x = max_pool(x, ceil_mode)
        elif link.resize == "double":
            if folded and link is not links[-1]:
                doubled = True
            else:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        yield Output(features, None if doubled else x, moments)
        del features


def _by_kernels(x: Tensor, links: Sequence[Link], padding: str, ceil_mode: bool) -> Iterator[Output]:
    border, around = (1, 0) if padding == "reflect" else (0, 1)
    if torch.is_autocast_enabled(x.device.type):  # autocast does not know these operators: they keep the dtype they get
        x = x.to(torch.get_autocast_dtype(x.device.type))
    if border:
        x = between(x, None, rectify=False)[0]
    for link in links:
        x = F.conv2d(x, link.weight, link.bias if link.normalize else None, padding=around)
        bias = link.bias
        if link.normalize is not None:
            x, bias = link.normalize(x), None
        outer = 0 if link is links[-1] else border
        features: Tensor | None = None
        if link.features and (link.resize != "keep" or (outer and torch.is_grad_enabled() and x.requires_grad)):
            # The features are written by themselves: cutting them out of the padded map would have a slow derivative.
            whole, moments = between(x, bias, link.rectify, border=0, eps=link.eps)
            x, features = between(whole, None, False, link.resize, outer, ceil_mode)[0], whole
        else:
            x, moments = between(x, bias, link.rectify, link.resize, outer, ceil_mode, link.eps)
            features = _inside(x, outer) if link.features else None
        yield Output(features, _inside(x, outer), moments)
        del features


def _inside(x: Tensor, border: int) -> Tensor:
    return x[..., border:-border, border:-border] if border else x
