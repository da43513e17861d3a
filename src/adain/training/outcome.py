"""What a training ends with: another decoder measured beside it, the table of losses, where things are, what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import pytorch_lightning as pl
import torch

from adain.data.pairs import StyleTransferDataModule
from adain.methods.base import TrainedMethod
from adain.methods.interface import CAPABILITIES
from adain.nn.decoder import load_decoder
from adain.runtime.errors import InputError
from adain.runtime.extras import as_typed_here
from adain.runtime.files import relative
from adain.runtime.schema import READY_DECODERS
from adain.training.callbacks import closing_lines, find_callback
from adain.training.progress import say
from adain.training.run_summary import RunSummary
from adain.training.validation_printer import Losses, held_out_losses, label

_MOST_ROWS = 12  # of the closing table: the start and the last ones


class Compared(NamedTuple):
    """A decoder that a run is compared with, and its held-out losses."""

    source: str
    content: float
    style: float


def compare(
    source: str, method: TrainedMethod, datamodule: StyleTransferDataModule, device: torch.device
) -> Compared | None:
    """Measure another decoder on the held-out pairs. None, said in a line, where it does not fit or cannot be had."""
    try:
        decoder, encoder = load_decoder(source)
    except InputError as error:
        say(f"compare_with={source} is left out: {error}")
        return None
    if reason := method.incomparable(encoder):
        say(f"compare_with={source} is left out: {reason}")
        return None
    losses = held_out_losses(cast(Losses, method.to(device)), decoder, datamodule.val_dataloader(), device)
    return Compared(source, *losses)


def report(folder: Path, callbacks: Sequence[pl.Callback], compared: Compared | None) -> None:
    """Print what came of a run, and where it is.

    Args:
        folder: The run's.
        callbacks: All of them: some have a line of their own to add.
        compared: A last row for the table of losses.
    """
    if (summary := find_callback(callbacks, RunSummary)) is not None:
        _print_losses(summary.history, compared)
    shown = relative(folder)
    print(f"\nrun           {shown}")
    print(f"checkpoints   {shown}/checkpoints/  ({', '.join(_checkpoints(folder)) or 'none yet'})")
    for line in closing_lines(callbacks):
        print(line)


def print_next(folder: Path, logs: str, method: TrainedMethod, draft: str | None, pair: tuple[str, str]) -> None:
    """Print what to type next to use what was trained; of a draft, what it is good for and how to see that.

    Args:
        folder: The run's.
        logs: Where ``latest`` is looked for.
        method: What was trained.
        draft: What its decoder is good for; None: for use.
        pair: Files of a held-out content and style.
    """
    if not _checkpoints(folder):
        return
    elsewhere = "" if logs == "logs" else " " + shlex.quote(f"logs={logs}")
    if draft is not None and method.method == "adain":
        print(as_typed_here(f"draft         {draft}: make stylize takes the decoder in the package"))
        if all(Path(name).is_file() for name in pair):
            files = (shlex.quote(f"{key}={name}") for key, name in zip(("content", "style"), pair, strict=True))
            words = " ".join(files).replace("$", "$$")  # make takes a single $ for itself
            print(as_typed_here(f"compare       make stylize decoder=latest grid=decoders {words}{elsewhere}"))
    model = "" if method.method == "adain" else f"model={method.method} "  # adain is the default of make stylize
    model += "decoder=latest " if method.ablation else ""
    inputs = "content=FILE style=FILE" if CAPABILITIES[method.method].any_style else "content=FILE"
    print(as_typed_here(f"next          make stylize {model}{inputs}{elsewhere}"))


def _print_losses(history: list[dict[str, float]], compared: Compared | None) -> None:
    print(f"\n{'held-out losses':<20}{'content':>10}{'style':>10}")
    for row in history if len(history) <= _MOST_ROWS else [history[0], *history[1 - _MOST_ROWS :]]:
        print(f"{label(int(row['step'])):<20}{row['val/content']:>10.3f}{row['val/style']:>10.3f}")
    if compared is not None:
        name = f"{compared.source} decoder" if compared.source in READY_DECODERS else "compare_with"
        print(f"{name:<20}{compared.content:>10.3f}{compared.style:>10.3f}")


def _checkpoints(folder: Path) -> list[str]:
    return [name for name in ("best.ckpt", "last.ckpt") if (folder / "checkpoints" / name).exists()]
