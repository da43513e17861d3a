"""What is evaluated and how, known before torch is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adain.runtime.errors import InputError
from adain.runtime.files import check_writable, expanded
from adain.runtime.schema import Arithmetic, BenchmarkName, EncoderName, LossUnits, MetricProtocol, MotionName


@dataclass(frozen=True)
class Evaluation:
    """How pairs are evaluated: the keys of ``conf/inference/evaluate.yaml``, which says what each does.

    Attributes:
        model, options: The system's name, and its options when it is used.
        encoder, encoder_weights: Whose features are compared, and a file with its weights.
        metrics, losses, motion: Names, none perhaps.
        benchmark: The name of the published pairs that these are; None if they are not.
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
            elif file is not None and not expanded(file).is_file():
                raise InputError(f"weights.{name}={file} is not an existing file: give the path of {name}.pth")
        for checkpoint in checkpoints:
            check_checkpoint(self.model, checkpoint)
        if out is not None:
            check_writable(out)


def is_evaluation(folder: str | None) -> bool:
    """Return whether this is the folder of an earlier evaluation."""
    return folder is not None and (expanded(folder) / "settings.json").is_file()
