"""``make watch``: W&B's terminal dashboard over the local runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from adain.commands.app import fail


def main() -> None:
    """Opens ``wandb leet`` on the newest run, or on ``run=PATH``."""
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if unknown := sorted(set(given) - {"run", "logs"}):
        fail(f"there is no key {unknown[0]}: make watch takes run=PATH and logs=PATH")
    run = Path(given.get("run") or Path(given.get("logs", "logs")) / "latest")
    if not (run / "wandb").is_dir():
        fail(f"{run} holds no W&B run: train one with make train, or give run=PATH of a run's folder")
    os.execv(sys.executable, [sys.executable, "-m", "wandb", "leet", str((run / "wandb").resolve())])


if __name__ == "__main__":
    main()
