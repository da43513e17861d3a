"""Find the checkpoints of a run: ``checkpoints/best.ckpt`` and ``checkpoints/last.ckpt`` in its folder."""

from __future__ import annotations

from pathlib import Path


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a checkpoint to resume from: a file, or one of DeepSpeed's folders."""
    return path.is_file() or (path / "latest").is_file()


def checkpoint_of(path: Path) -> Path | None:
    """Return the checkpoint of a path: the file itself, a run folder's best, else its last, or None."""
    candidates = (path, path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt")
    return next((candidate for candidate in candidates if candidate.is_file()), None)
