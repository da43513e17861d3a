"""Stand-ins for what needs a network or a program beside ours, or takes seconds that no key is about."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from matplotlib.figure import Figure

from adain.demo.studio import Studio
from adain.evaluation.speed import machine
from adain.nn.encoder import CONVOLUTIONS, Encoder
from tests.helpers.pictures import encode, smooth
from tests.keys.commands import Commands, Enough


class Hub:
    """A streamed data set in place of one of the Hugging Face hub. It tells what it is asked for."""

    column_names = ("image", "photo")
    info = SimpleNamespace(splits=None)

    def __init__(self, commands: Commands, **given: Any) -> None:
        self.commands, self.column = commands, ""
        self.commands.asked.extend(given.items())

    def cast_column(self, column: str, kind: Any) -> Hub:
        self.commands.asked.append(("column", column))
        self.column = column
        return self

    def skip(self, count: int) -> Hub:
        return self

    def shuffle(self, seed: int, buffer_size: int) -> Hub:
        self.commands.asked.append(("buffer", buffer_size))
        return self

    def iter(self, batch_size: int) -> Iterator[dict[str, Any]]:
        for number in range(6):
            yield {
                self.column: [{"bytes": encode(smooth(number, (20 + number % 3, 20 + 4 * (number % 2)))), "path": None}]
            }


@functools.cache
def narrow_encoder(name: str, path: str | None) -> Encoder:
    """The named one with a quarter of its channels where no decoder starts: it takes most of a tiny run's seconds."""
    whole, layers, channels = load_encoder(name, path), [], 3
    for convolution in CONVOLUTIONS:
        weight, bias = getattr(whole, f"weight{convolution}"), getattr(whole, f"bias{convolution}")
        kept = len(weight) if convolution in ("3_1", "4_1") else len(weight) // 4
        share = weight.shape[1] / channels  # makes up for the missing inputs, without which deep features are all zero
        layers.append((share * weight[:kept, :channels], bias[:kept]))
        channels = kept
    return Encoder(layers, whole.shift.flatten().tolist(), whole.padding, whole.ceil_mode)


load_encoder = Encoder.load


@contextmanager
def stand_ins(commands: Commands) -> Iterator[None]:
    """In place of the hub, W&B, the demo's server, ONNX, drawn figures, and the encoder. They tell what they are asked for."""

    def load_dataset(**given: Any) -> Hub:
        return Hub(commands, **given)

    def init(**given: Any) -> MagicMock:
        commands.asked += {**given, "finish_timeout": given["settings"].finish_timeout}.items()
        return MagicMock(url="https://wandb.test/adain/runs/1")

    def start(studio: Studio, *_: Any) -> None:
        commands.asked.append(("studio", studio))
        raise Enough

    def write_onnx(*_: Any) -> list[Any]:
        commands.asked.append(("onnx", True))
        return []

    def savefig(figure: Figure, file: Any, **_: Any) -> None:
        smooth(0, (8, 8)).save(file, "png")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset, Image=lambda decode: None))
        patch.setattr("adain.runtime.progress.QUIET_SECONDS", 0)
        patch.setitem(sys.modules, "gradio", SimpleNamespace())
        patch.setitem(sys.modules, "adain.demo.launch", SimpleNamespace(start=start))
        patch.setattr("wandb.init", init)
        patch.setattr("adain.inference.export.write_onnx", write_onnx)
        patch.setattr(Figure, "savefig", savefig)
        patch.setattr(Encoder, "load", lambda name, path=None: copy.deepcopy(narrow_encoder(name, path)))
        patch.setattr(machine, "measure", functools.cache(machine.measure))
        yield
