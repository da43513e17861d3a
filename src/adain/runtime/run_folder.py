"""What a run's folder holds: ``checkpoints/best.ckpt``, ``checkpoints/last.ckpt``, and ``summary.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adain.runtime.files import write_whole

TRAINING_LOCK = ".training.lock"
"""Held by the process that trains in a run's folder; of several ranks by the first."""


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a checkpoint to resume from: a file, or one of DeepSpeed's folders."""
    return path.is_file() or (path / "latest").is_file()


def checkpoint_of(path: Path) -> Path | None:
    """Return the checkpoint of a path: the file itself, a run folder's best, else its last, or None."""
    candidates = (path, path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_record(path: Path) -> dict[str, Any]:
    """Return a JSON object that a run or sweep wrote; empty if it is missing, being copied, or cut by a full disk."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_summary(folder: Path) -> dict[str, Any]:
    """Return a run's ``summary.json``; empty if it cannot be read."""
    return read_record(folder / "summary.json")


def mark(folder: Path, status: str, error: str | None = None) -> None:
    """Say in ``summary.json`` how a run ended, whatever it said before, and keep its figures."""
    found = read_summary(folder) or {"steps": 0, "final": {}, "best": {}, "history": []}
    write_whole(folder / "summary.json", json.dumps({**found, "status": status, "error": error}, indent=2) + "\n")
