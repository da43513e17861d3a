"""The W&B run of a training run: one run, one folder, one identity."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.loggers import WandbLogger

from adain.callbacks.progress import say


def wandb_logger(folder: str, project: str, name: str, group: str | None, tags: Sequence[str]) -> WandbLogger:
    """A W&B logger that goes offline, and says so, where nobody is logged in.

    Args:
        folder: The run's folder. The run's identity is derived from it, so a resumed run is the same W&B run.
        project: As W&B has it, like the rest.
        name: Shown in the dashboard.
        group: Of runs that belong together.
        tags: To filter by.
    """
    import wandb

    offline = "WANDB_MODE" not in os.environ and not wandb.login(prompt=False, verify=False)
    if offline:
        os.environ.setdefault("WANDB_SILENT", "true")
        say("W&B: nobody is logged in, so the run is kept offline (make watch shows it; wandb sync uploads it)")
    # W&B's capture would swallow the progress bar's carriage returns
    os.environ["WANDB_CONSOLE"] = "off"
    identity = hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:12]
    return WandbLogger(
        save_dir=folder, project=project, name=name, group=group, tags=list(tags), id=identity, resume="allow",
        log_model=False, **({"mode": "offline"} if offline else {}),
    )  # fmt: skip
