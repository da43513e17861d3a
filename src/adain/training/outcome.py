"""What a training ends with: another decoder measured beside it, the table of losses, where things are, what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from adain.data.pairs import StyleTransferDataModule
from adain.methods.base import TrainedMethod
from adain.methods.interface import CAPABILITIES
from adain.nn.decoder import load_decoder
from adain.runtime.errors import InputError
from adain.runtime.extras import as_typed_here
from adain.runtime.files import relative
from adain.runtime.schema import READY_DECODERS
from adain.training.callbacks import ClosingLine, find_callback
from adain.training.progress import say
from adain.training.run_summary import RunSummary
from adain.training.validation_printer import held_out_losses, label

_MOST_ROWS = 12  # of the closing table: the start and the last ones


def compare(
    source: str, trainer: pl.Trainer, method: TrainedMethod, datamodule: StyleTransferDataModule
) -> dict[str, float]:
    """Return another decoder's losses on the held-out pairs; none, said in a line, where it does not fit or cannot be had."""
    try:
        decoder, encoder = load_decoder(source)
        reason = method.incomparable(encoder)
    except InputError as error:
        reason = str(error)
    if reason:
        say(f"compare_with={source} is skipped: {reason}")
        return {}
    device = trainer.strategy.root_device
    with trainer.precision_plugin.val_step_context():  # measured as the run's own were
        content, style = held_out_losses(method.to(device), decoder, datamodule.val_dataloader(), device)
    return {"content": content, "style": style}


def report(folder: Path, callbacks: Sequence[pl.Callback], compare_with: str | None) -> None:
    """Print what came of a run, and where it is.

    Args:
        folder: The run's.
        callbacks: All of them: some have a line of their own to add.
        compare_with: The decoder whose losses are the last row of the table, where they were measured.
    """
    if (summary := find_callback(callbacks, RunSummary)) is not None:
        _print_losses(summary, compare_with)
    shown = relative(folder)
    print(f"\nrun           {shown}")
    print(f"checkpoints   {shown}/checkpoints/  ({', '.join(_checkpoints(folder)) or 'none yet'})")
    for callback in callbacks:
        if isinstance(callback, ClosingLine) and (line := callback.closing_line()) is not None:
            print(line)


def print_next(
    folder: Path, logs: str, method: TrainedMethod, draft: str | None, pair: tuple[str, str], stopped: bool = False
) -> None:
    """Print what to type next to use what was trained; of a draft, what it is good for and how to see that.

    Args:
        folder: The run's.
        logs: Where ``latest`` is looked for.
        method: What was trained.
        draft: What its decoder is good for; None: for use.
        pair: Files of a held-out content and style.
        stopped: Whether it is to go on first.
    """
    elsewhere = "" if logs == "logs" else " " + shlex.quote(f"logs={logs}")
    if stopped:
        print(as_typed_here(f"next          make train ckpt=last{elsewhere}"))
        return
    if not _checkpoints(folder):
        return
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


def _print_losses(summary: RunSummary, compare_with: str | None) -> None:
    print(f"\n{'held-out losses':<20}{'content':>10}{'style':>10}")
    history = summary.history
    for row in history if len(history) <= _MOST_ROWS else [history[0], *history[1 - _MOST_ROWS :]]:
        print(f"{label(int(row['step'])):<20}{row['val/content']:>10.3f}{row['val/style']:>10.3f}")
    if compared := summary.reference:
        name = f"{compare_with} decoder" if compare_with in READY_DECODERS else "compare_with"
        print(f"{name:<20}{compared['content']:>10.3f}{compared['style']:>10.3f}")


def _checkpoints(folder: Path) -> list[str]:
    return [name for name in ("best.ckpt", "last.ckpt") if (folder / "checkpoints" / name).exists()]
