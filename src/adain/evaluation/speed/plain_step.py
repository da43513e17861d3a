"""The training step as it is usually written: what ``make bench bench=train`` measures ours against.

Eager float32, one module after another as in the network's published file, the leading 1x1 convolution kept, content
and style encoded one after the other, statistics by separate reductions, gradients recorded wherever they are recorded
by default. The arithmetic is the same; tests hold its losses against ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PLAN = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512)
_TAPS = (4, 11, 18, 31)  # modules up to relu1_1, relu2_1, relu3_1, relu4_1


def plain_encoder(state: Mapping[str, Tensor]) -> nn.Sequential:
    """Return VGG-19 to relu4_1 from the published state dict, module by module, its weights frozen."""
    modules: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for item in _PLAN:
        if isinstance(item, int):
            modules += [nn.ReflectionPad2d(1), nn.Conv2d(channels, item, 3), nn.ReLU()]
            channels = item
        else:
            modules.append(nn.MaxPool2d(2, 2, 0, ceil_mode=True))
    network = nn.Sequential(*modules)
    network.load_state_dict({key: value for key, value in state.items() if key in network.state_dict()})
    return network.requires_grad_(False)


def plain_decoder() -> nn.Sequential:
    """Return the mirrored decoder, module by module."""
    modules: list[nn.Module] = []
    channels = 512
    for out in (256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64, 3):
        if isinstance(out, int):
            modules += [nn.ReflectionPad2d(1), nn.Conv2d(channels, out, 3), nn.ReLU()]
            channels = out
        else:
            modules.append(nn.Upsample(scale_factor=2, mode="nearest"))
    return nn.Sequential(*modules[:-1])


def plain_losses(
    encoder: nn.Sequential, decoder: nn.Sequential, content: Tensor, style: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the content and style loss (mean over channels) of one batch."""
    wanted = _taps(encoder, style)
    own = encoder(content)
    mean, std = _statistics(own)
    style_mean, style_std = _statistics(wanted[-1])
    target = (own - mean) / std * style_std + style_mean
    found = _taps(encoder, decoder(target))
    content_loss = F.mse_loss(found[-1], target)
    style_loss = torch.zeros(())
    for a, b in zip(found, wanted, strict=True):
        (mean_a, std_a), (mean_b, std_b) = _statistics(a), _statistics(b)
        style_loss = style_loss + F.mse_loss(mean_a, mean_b) + F.mse_loss(std_a, std_b)
    return content_loss, style_loss


def _taps(encoder: nn.Sequential, x: Tensor) -> list[Tensor]:
    found = []
    for index, module in enumerate(encoder, 1):
        x = module(x)
        if index in _TAPS:
            found.append(x)
    return found


def _statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features.flatten(2)
    std = (flat.var(2, correction=0) + 1e-5).sqrt()
    return flat.mean(2)[..., None, None], std[..., None, None]
