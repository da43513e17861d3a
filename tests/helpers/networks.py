"""The published networks, built module by module, and small untrained systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adain.methods.adain import AdaINMethod
from adain.methods.base import TrainedMethod
from adain.methods.style_swap import StyleSwap
from adain.methods.texture_network import TextureNetwork
from adain.nn.weights import find, read_state

RELUS = {
    "relu1_1": 4,
    "relu2_1": 11,
    "relu3_1": 18,
    "relu4_1": 31,
}  # how many modules of the published network lead there


def published_network() -> nn.Sequential:
    """The normalized VGG-19 as its file describes it, module by module: nothing of ours."""
    plan: list[Any] = [
        3, "P", 64, "P", 64, "M", "P", 128, "P", 128, "M", "P", 256, "P", 256, "P", 256, "P", 256, "M", "P", 512,
    ]  # fmt: skip
    layers: list[nn.Module] = []
    channels = 3
    for item in plan:
        if item == "P":
            layers.append(nn.ReflectionPad2d(1))
        elif item == "M":
            layers.append(nn.MaxPool2d(2, 2, 0, ceil_mode=True))
        elif item == 3:
            layers.append(nn.Conv2d(3, 3, 1))
        else:
            layers += [nn.Conv2d(channels, item, 3), nn.ReLU()]
            channels = item
    network = nn.Sequential(*layers)
    state = read_state(find("vgg19_normalized"))
    network.load_state_dict({key: value for key, value in state.items() if key in network.state_dict()})
    return network


def reference_network() -> nn.Sequential:
    """The published decoder, module by module as its file's keys say."""

    def block(channels: int, out: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(channels, out, 3), nn.ReLU()]

    def up() -> nn.Module:
        return nn.Upsample(scale_factor=2, mode="nearest")

    modules = [
        *block(512, 256), up(), *block(256, 256), *block(256, 256), *block(256, 256), *block(256, 128), up(),
        *block(128, 128), *block(128, 64), up(), *block(64, 64), *block(64, 3)[:2],
    ]  # fmt: skip
    network = nn.Sequential(*modules)
    network.load_state_dict(read_state(find("reference_decoder")))
    return network


def torchvision_state() -> dict[str, Tensor]:
    """Random weights by the names of torchvision's VGG-19: that encoder without a download."""
    generator = torch.Generator().manual_seed(1)
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512]
    state = {}
    for index, key in enumerate((0, 2, 5, 7, 10, 12, 14, 16, 19)):
        shape = (channels[index + 1], channels[index], 3, 3)
        state[f"features.{key}.weight"] = torch.randn(shape, generator=generator) / (9 * channels[index]) ** 0.5
        state[f"features.{key}.bias"] = torch.randn(channels[index + 1], generator=generator) * 0.1
    return state


SMALL: dict[str, tuple[type[TrainedMethod], dict[str, Any]]] = {
    "adain": (AdaINMethod, {"widths": [4, 6, 8]}),
    "concat": (AdaINMethod, {"widths": [4, 6, 8], "transfer": "concat"}),
    "bn_decoder": (AdaINMethod, {"widths": [4, 6, 8], "norm": "batch"}),
    "in_decoder": (AdaINMethod, {"widths": [4, 6, 8], "norm": "instance"}),
    "style_swap": (StyleSwap, {"widths": [4, 6]}),
    "texture_network": (TextureNetwork, {"style": "/gone.png", "width": 4, "blocks": 1}),
}


def saved(name: str, folder: Path) -> tuple[TrainedMethod, Path]:
    """An untrained system and the checkpoint that a run of it would write."""
    torch.manual_seed(0)
    kind, given = SMALL[name]
    method = kind(**given).eval()
    checkpoint: dict[str, Any] = {"state_dict": method.state_dict(), "hyper_parameters": dict(method.hparams)}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, folder / "best.ckpt")
    torch.load(folder / "best.ckpt", weights_only=True)
    return method, folder / "best.ckpt"
