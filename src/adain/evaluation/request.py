"""What is evaluated and how, known before torch is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adain.runtime.errors import InputError
from adain.runtime.files import check_writable
from adain.runtime.schema import Arithmetic, BenchmarkName, EncoderName, LossUnits, MetricProtocol, MotionName


@dataclass(frozen=True)
class Evaluation:
    """How pairs are evaluated.

    Attributes:
        model: The system's name.
        options: Its options when it is used.
        encoder, encoder_weights: Whose features are compared, and a file with its weights.
        metrics: Names.
        losses: Whose content and style losses are stated too.
        motion: How a view is moved over each content, to measure flicker.
        protocol: Whose conventions they follow.
        benchmark: The name of the published pairs that these are; None if they are not.
        weights: Files of the metrics' networks, by name; found or fetched where None.
        size, crop: See ``run.Frame``.
        alpha: How far the output goes from the content to the style.
        batch_size: Pairs at a time.
        device: ``auto`` or torch's word.
        precision: Of the arithmetic that makes outputs and sees VGG-19's features.
        seed, bootstrap: Of the intervals; draws.
        save_outputs: Whether outputs are kept as PNG files.
        page_pairs, page_order: How many pairs the page shows, and the metric that sorts them.
        outputs: The folder of finished outputs as it was given, for the title.
        logs: Where a folder is made if none is given.
    """

    model: str
    options: Mapping[str, Any]
    encoder: EncoderName
    encoder_weights: str | None
    metrics: Sequence[str]
    losses: Sequence[LossUnits]
    motion: Sequence[MotionName]
    protocol: MetricProtocol
    benchmark: BenchmarkName | None
    weights: Mapping[str, str | None]
    size: int
    crop: bool
    alpha: float
    batch_size: int
    device: str
    precision: Arithmetic
    seed: int
    bootstrap: int
    save_outputs: bool
    page_pairs: int
    page_order: str
    outputs: str | None
    logs: str

    def check(self, checkpoints: Sequence[str], out: Path | None) -> None:
        """Check what needs torch, but no picture: the device, given weights, checkpoints, and where results go.

        Raises:
            InputError: At the first that cannot be used.
        """
        from adain.methods.load import check_checkpoint
        from adain.nn.weights import KNOWN, find
        from adain.runtime.device import find_device

        find_device(self.device)
        for name, file in self.weights.items():
            if file is not None and name in KNOWN:
                find(name, file)
            elif file is not None and not Path(file).expanduser().is_file():
                raise InputError(f"weights.{name}={file} is not an existing file: give the path of {name}.pth")
        for checkpoint in checkpoints:
            check_checkpoint(self.model, checkpoint)
        if out is not None:
            check_writable(out)


def is_evaluation(folder: str | None) -> bool:
    """Return whether this is the folder of an earlier evaluation."""
    return folder is not None and (Path(folder).expanduser() / "settings.json").is_file()
