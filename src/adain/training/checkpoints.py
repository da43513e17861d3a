"""Which runs have kept something to go on with."""

from __future__ import annotations

from pathlib import Path


def list_checkpoints(logs: Path, experiment: str = "*") -> list[Path]:
    """Checkpoints of the runs below ``logs``, the newest first: of each run its best, else its last.

    Args:
        logs: Where outputs go.
        experiment: Of these runs only.
    """
    found = []
    for folder in (logs / "runs").glob(f"{experiment}/*/checkpoints"):
        for name in ("best.ckpt", "last.ckpt"):
            if (path := folder / name).exists():
                found.append((path.stat().st_mtime, path))
                break
    return [path for _, path in sorted(found, reverse=True)]
