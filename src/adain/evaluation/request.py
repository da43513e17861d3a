"""What is evaluated and how, known before torch is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adain.runtime.files import check_writable
from adain.runtime.schema import EncoderName


@dataclass(frozen=True)
class Evaluation:
    """How pairs are evaluated.

    Attributes:
        model: The system's name.
        options: Its options when it is used.
        encoder, encoder_weights: Whose features are compared, and a file with its weights.
        metrics: Names.
        weights: Files of the metrics' networks, by name; found or fetched where None.
        size, crop: See ``run.Frame``.
        alpha: How far the output goes from the content to the style.
        batch_size: Pairs at a time.
        device: ``auto`` or torch's word.
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
    weights: Mapping[str, str | None]
    size: int
    crop: bool
    alpha: float
    batch_size: int
    device: str
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
        from adain.nn.weights import find
        from adain.runtime.device import find_device

        find_device(self.device)
        for name, file in self.weights.items():
            if file is not None:
                find(name, file)
        for checkpoint in checkpoints:
            check_checkpoint(self.model, checkpoint)
        if out is not None:
            check_writable(out)


def is_evaluation(folder: str | None) -> bool:
    """Return whether this is the folder of an earlier evaluation."""
    return folder is not None and (Path(folder).expanduser() / "settings.json").is_file()
