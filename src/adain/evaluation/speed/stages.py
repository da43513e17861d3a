"""Our work, cut into the stages that are timed: a training step and the stylizing of a batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adain.evaluation.speed.clock import Stages
from adain.functional.losses import content_loss, style_loss, weighted_total
from adain.functional.statistics import adain
from adain.methods.adain import AdaINMethod
from adain.nn.decoder import load_decoder
from adain.nn.encoder import BOTTLENECK
from adain.runtime.compiling import compiled
from adain.runtime.graphs import BesideOthers, graphed
from adain.runtime.precision import memory_format
from adain.runtime.schema import MethodName

TRAINING = (
    "encode content",
    "encode style",
    "adain",
    "decode",
    "encode output, losses",
    "backward",
    "optimizer",
    "whole step",
)
"""Stages of a training step. The last is the step as it is trained, uncut."""

STYLIZE = ("stylize", "stylize, style cached")
"""A batch of contents, each with a style of its own: encoded each time, or its statistics kept."""


PORT = "reference port"
"""Its name among the candidates."""


class Setting(NamedTuple):
    """One candidate at one size: all that is needed to build it, in this process or another.

    Attributes:
        work: ``stages``, ``stylize``, or ``method`` for stylizing by any of the systems.
        size: Side of the square pictures, in pixels.
        batch: Pictures of each kind.
        precision: ``32-true`` or ``bf16-mixed``, in Lightning's words.
        memory_format: ``channels_first`` or ``channels_last``.
        compile: Whether through torch.compile.
        graph: Whether a CUDA graph is recorded and replayed: of the step's forward and backward pass, or of stylizing.
        reference: The port's checkout, which then does the work; None for ours.
        method: The system, for ``method``.
        iterations: Of gatys: how many are done, at least 3, and how many the figure stands for.
    """

    work: str
    size: int
    batch: int
    precision: str = "32-true"
    memory_format: str = "channels_first"
    compile: bool = False
    graph: bool = False
    reference: str | None = None
    method: MethodName = "adain"
    iterations: tuple[int, int] = (3, 500)

    @property
    def name(self) -> str:
        """As shown in tables."""
        if self.reference is not None:
            return PORT
        if self.work == "method":
            done, wanted = self.iterations
            return f"{self.method} ({wanted} iterations, {done} done)" if self.method == "gatys" else self.method
        words = [self.precision, self.memory_format.replace("_", " ")]
        words += ["compiled"] if self.compile else []
        words += ["graph"] if self.graph else []
        return f"ours, {', '.join(words)}"

    @property
    def number(self) -> int:
        """Bytes of a feature map's element."""
        return 2 if "16" in self.precision else 4


def own_layout(device: torch.device, precision: str) -> str:
    """Return the memory format that training takes there, as ``Setting`` names it."""
    return "channels_last" if memory_format(device, precision) == torch.channels_last else "channels_first"


def pictures(setting: Setting, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the same random contents and styles for every candidate of that size."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, setting.batch, 3, setting.size, setting.size)
    content, style = torch.rand(shape, generator=generator).to(device)
    return content, style


class OurStep:
    """Our training step: once in stages, once as it is trained."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.setting, self.device = setting, device
        self.method = _method(setting, device)
        self.optimizer = torch.optim.Adam(
            self.method.decoder.parameters(), lr=1e-4, fused=device.type in ("cpu", "cuda") or None
        )
        self.content, self.style = pictures(setting, device)
        self.losses = compiled(self.method.losses) if setting.compile else self.method.losses
        self.loss = graphed(self.whole_loss, self.method, device, _warn) if setting.graph else self.whole_loss
        self.kept: dict[str, Any] = {}

    def stages(self) -> Stages:
        """Return the parts and the whole. A step that is compiled or recorded cannot be cut: it has its whole only."""
        whole = ("whole step", self.step)
        if self.setting.compile or self.setting.graph:
            return [whole]
        parts = (self._encode_content, self._encode_style, self._adain, self._decode, self._encode_output)
        return [*zip(TRAINING, (*parts, self._backward, self._update), strict=False), whole]

    def _encode_content(self) -> None:
        with _autocast(self.setting, self.device), torch.no_grad():
            self.kept["own"] = self.method.encoder(self.content)

    def _encode_style(self) -> None:
        with _autocast(self.setting, self.device), torch.no_grad():
            self.kept["wanted"] = self.method.encoder.extract_statistics(self.style)[1]

    def _adain(self) -> None:
        with torch.no_grad():
            self.kept["target"] = adain(self.kept.pop("own"), self.kept["wanted"][BOTTLENECK])

    def _decode(self) -> None:
        with _autocast(self.setting, self.device):
            self.kept["output"] = self.method.decoder(self.kept["target"])

    def _encode_output(self) -> None:
        with _autocast(self.setting, self.device):
            features, stats = self.method.encoder.extract_statistics(self.kept.pop("output"))
            terms = {"content": content_loss(features, self.kept.pop("target"))}
            for name, statistics in self.kept.pop("wanted").items():
                terms[f"style/{name}"] = style_loss(stats[name], statistics, "mean")
            self.kept["loss"] = weighted_total(terms, self.method.weights)

    def _backward(self) -> None:
        torch.autograd.backward(self.kept.pop("loss"))

    def _update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def whole_loss(self, content: Tensor, style: Tensor) -> Tensor:
        """Return what is minimized."""
        return weighted_total(self.losses(content, style)[0], self.method.weights)

    def step(self) -> None:
        """Make a whole step, by the code that is trained with."""
        with _autocast(self.setting, self.device):
            loss = self.loss(self.content, self.style)
        torch.autograd.backward(loss)
        self._update()


class OurStylize:
    """Our stylizing, with the published decoder."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.setting, self.device = setting, device
        self.method = _method(setting, device).eval()
        self.content, self.style = pictures(setting, device)
        self.call = compiled(self.method.stylize) if setting.compile else self.method.stylize
        with torch.inference_mode(), _autocast(setting, device):
            self.statistics = self.method.encode_style(self.style)

    def stages(self) -> Stages:
        """Return stylizing with the style encoded each time, and with its statistics kept."""
        works = [lambda: self.stylize(self.style), lambda: self.stylize(self.statistics)]
        return [*zip(STYLIZE, map(recorded, works) if self.setting.graph else works, strict=True)]

    def stylize(self, style: Any) -> Tensor:
        """Return the output pictures."""
        with torch.inference_mode(), _autocast(self.setting, self.device):
            output: Tensor = self.call(self.content, style)
            return output


def recorded(work: Callable[[], object]) -> Callable[[], object]:
    """Record what a function without gradients launches on a GPU, and return what replays it."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # warm up elsewhere: nothing may be chosen or compiled while it is recorded
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with BesideOthers(graph):
        output = work()

    def replay(kept: object = work) -> object:  # what it works on must live as long as the graph
        graph.replay()
        return output

    return replay


def _warn(reason: str) -> None:
    warnings.warn(f"rows with a graph are of steps without one: {reason}", RuntimeWarning, stacklevel=2)


def _method(setting: Setting, device: torch.device) -> AdaINMethod:
    method = AdaINMethod(init="random")
    method.decoder.load_state_dict(load_decoder("reference").decoder.state_dict())
    last = setting.memory_format == "channels_last"
    return method.to(device, memory_format=torch.channels_last if last else torch.contiguous_format)


def _autocast(setting: Setting, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=setting.precision == "bf16-mixed")
