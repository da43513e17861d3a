"""How Lightning's checkpoints reach the disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins import TorchCheckpointIO

from adain.runtime.files import write_whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own writes it to the folder for temporary files. Where that is another file system, it is copied onto the
    earlier checkpoint, which is lost if the disk is full or the process is killed meanwhile.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            OSError: If it cannot be written. What was there stays.
        """
        buffer = io.BytesIO()  # straight to a file, a full disk would be a RuntimeError
        torch.save(checkpoint, buffer)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), buffer.getvalue())
