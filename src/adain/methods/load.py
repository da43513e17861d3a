"""Any of the four systems, ready to use, by its name or from its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from adain.methods.interface import Method


def load_method(
    name: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    **options: Any,
) -> Method[Any]:
    """A system in evaluation mode on a device, whatever kind it is.

    Args:
        name: ``adain``, ``gatys``, ``texture_network`` or ``style_swap``. None: what the checkpoint is of.
        checkpoint: A run's checkpoint, of an ablation too. For ``adain`` also ``reference``, the default, or any file
            that ``decoder.load_decoder`` takes. ``gatys`` has none.
        device: A GPU if there is one by default.
        options: Of the system when it is used: the keys of its section in ``conf/systems/all.yaml``.

    Raises:
        UserError: If there is no such system, file or option, or the file is another system's.
    """
    raise NotImplementedError
