"""Any of the four systems as a contestant: a picture in a style, and what its style costs beforehand."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from adain.evaluation.speed.clock import Stages, synchronize
from adain.evaluation.speed.stages import STYLIZE, Setting, pictures
from adain.methods.adain import AdaINMethod
from adain.methods.gatys import Gatys
from adain.methods.interface import CAPABILITIES, Method
from adain.methods.style_swap import StyleSwap
from adain.methods.texture_network import TextureNetwork
from adain.nn.encoder import Encoder

ENCODE, KEPT = "encode style", STYLIZE[1]
"""The two stages: together they are stylizing with a new style."""


class MethodStylize:
    """A system of the published architecture. The values of its weights do not change its time, so none are loaded.

    Gatys' method is run for ``setting.iterations[0]`` iterations. The time of the others up to ``iterations[1]`` is added,
    each at the median of the measured ones.
    """

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.setting, self.device = setting, device
        self.method = _build(setting, device)
        self.content, self.style = pictures(setting, device)
        self.kept = self.method.encode_style(self.style)

    def stages(self) -> Stages:
        """Return the encoding of the style, if the system does that, and stylizing with it."""
        if not CAPABILITIES[self.method.method].any_style:
            return [(KEPT, self._stylize)]
        return [(ENCODE, self._encode), (KEPT, self._pixels if isinstance(self.method, Gatys) else self._stylize)]

    def _encode(self) -> None:
        self.kept = self.method.encode_style(self.style)

    def _stylize(self) -> None:
        self.method.stylize(self.content, self.kept)

    def _pixels(self) -> float:
        """Return the seconds that all iterations take, of which only some are done."""
        assert isinstance(self.method, Gatys)
        done, wanted = self.setting.iterations
        seconds = 0.0
        for index in range(len(self.content)):
            content = self.content[index : index + 1]
            start = time.perf_counter()
            marks = []
            for _ in self.method.iterate(content, self.kept):
                synchronize(self.device)
                marks.append(time.perf_counter())
            # the last mark follows the losses of the finished picture, which is not an iteration
            each = float(np.median(np.diff(marks[:-1])))
            seconds += marks[-1] - start + (wanted - done) * each
        return seconds


def _build(setting: Setting, device: torch.device) -> Method[Any]:
    method: Any
    if setting.method == "gatys":
        encoder = Encoder.load("vgg19_normalized").to(device)
        return Gatys(encoder, iterations=setting.iterations[0], progress=False)
    if setting.method == "texture_network":
        method = TextureNetwork(style="none")
    else:
        method = AdaINMethod() if setting.method == "adain" else StyleSwap()
    ready: Method[Any] = method.to(device).eval().requires_grad_(False)
    return ready
