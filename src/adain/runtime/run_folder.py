"""Where the checkpoints of a run lie: ``checkpoints/best.ckpt`` and ``checkpoints/last.ckpt`` in its folder."""

from __future__ import annotations

from pathlib import Path


def is_checkpoint(path: Path) -> bool:
    """Return whether there is one to go on from: a file, or one of DeepSpeed's folders."""
    return path.is_file() or (path / "latest").is_file()


def checkpoint_of(path: Path) -> Path | None:
    """Return the checkpoint that a path means: a file itself, of a run's folder its best, else its last; else None."""
    candidates = (path, path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt")
    return next((candidate for candidate in candidates if candidate.is_file()), None)
