"""The comparison's tables and figures to the loggers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, open_dict

from adain.evaluation.paper.store import ComparisonStore


def log_comparison(config: DictConfig, store: ComparisonStore, files: Sequence[Path]) -> None:
    """Medians and means to every logger; to W&B tables, pictures and an artifact of everything too.

    Args:
        config: As composed.
        store: Its folder becomes the W&B run's.
        files: CSV and PNG files.
    """
    from hydra.utils import instantiate
    from pytorch_lightning.loggers import WandbLogger

    from adain.training.run_summary import close_wandb
    from adain.training.wandb_run import left_out_if_refused

    with open_dict(config):
        for logger in config.logger.values():
            logger["folder" if "folder" in logger else "save_dir"] = str(store.folder)
    figures = {
        f"speed/{row['size']}/{row['method']}/{name}": row[name]
        for row in store.rows("speed")
        for name in ("without_s", "with_s", "without_times_adain", "with_times_adain", "peak_mib")
        if row[name] is not None
    }
    code = 1
    try:
        for logger in instantiate(config.logger).values():
            logger.log_metrics(figures)
            if isinstance(logger, WandbLogger):
                import wandb

                run = logger.experiment
                artifact = wandb.Artifact(f"compare-{store.folder.name}", "comparison")
                artifact.add_file(str(store.folder / "compare.md"))
                with left_out_if_refused("a table"):
                    for file in files:
                        artifact.add_file(str(file))
                        run.log({file.stem: _table(file) if file.suffix == ".csv" else wandb.Image(str(file))})
                    run.log_artifact(artifact)
            logger.finalize("success")
        code = 0
    finally:
        close_wandb(code)


def _table(path: Path) -> object:
    import wandb

    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return wandb.Table(columns=list(header), data=[[_value(cell) for cell in row] for row in rows])


def _value(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell or None
