"""Evaluations, comparisons and benchmarks to the loggers; in W&B with tables and pictures too."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytorch_lightning.loggers import Logger, WandbLogger

from adain.evaluation.results import plain
from adain.evaluation.store import ComparisonStore, Row
from adain.training.run_summary import close_wandb
from adain.training.wandb_run import left_out_if_refused, wandb_logger

L = TypeVar("L", bound=Logger)
_NOT_SETTINGS = ("metrics", "left_out", "conventions", "published", "notes", "warnings")


@contextlib.contextmanager
def _finished(make_loggers: Callable[[], Sequence[L]]) -> Iterator[Sequence[L]]:
    """Make the loggers and finish them; a W&B run is marked failed where something fails before that."""
    code = 1
    try:
        loggers = make_loggers()
        yield loggers
        for logger in loggers:
            logger.finalize("success")
        code = 0
    finally:
        close_wandb(code)


def log_evaluation(
    make_loggers: Callable[[], Sequence[Logger]], folder: Path, rows: Sequence[Row], results: Mapping[str, Any]
) -> None:
    """Log an evaluation's settings and means to every logger, to W&B also the table of pairs with their outputs."""
    with _finished(make_loggers) as loggers:
        for logger in loggers:
            logger.log_hyperparams({key: value for key, value in results.items() if key not in _NOT_SETTINGS})
            logger.log_metrics({f"evaluate/{name}": entry["mean"] for name, entry in results["metrics"].items()})
            if isinstance(logger, WandbLogger):
                import wandb

                table = wandb.Table(columns=["output", *plain(rows[0])])
                for row in rows:
                    thumb = str(folder / "thumbs" / f"{row['index']:07d}.jpg")
                    table.add_data(wandb.Image(thumb), *plain(row).values())
                with left_out_if_refused("the table of pairs"):
                    logger.experiment.log({"pairs": table})


def log_comparison(make_loggers: Callable[[], Sequence[Logger]], store: ComparisonStore, files: Sequence[Path]) -> None:
    """Log a comparison's medians to every logger, to W&B also its CSV and PNG files and an artifact of everything."""
    figures = {
        f"speed/{row['size']}/{row['method']}/{name}": row[name]
        for row in store.rows("speed")
        for name in ("without_s", "with_s", "without_times_adain", "with_times_adain", "peak_mib")
        if row[name] is not None
    }
    with _finished(make_loggers) as loggers:
        for logger in loggers:
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


def log_benchmark(folder: Path, results: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Log a benchmark to W&B: the table of all rows, and each median as a figure of the run's summary."""
    rows: list[Row] = results["rows"]
    with _finished(lambda: [wandb_logger(str(folder), "adain", f"bench-{folder.name}", "bench", ["bench"])]) as loggers:
        import wandb

        run = loggers[0].experiment
        run.config.update({**config, "machine": results["machine"], "rates": results["rates"]})
        columns: list[str | int] = list(dict.fromkeys(key for row in rows for key in row))
        data = [[row.get(str(key)) for key in columns] for row in rows]
        with left_out_if_refused("the table of rows"):
            run.log({"bench": wandb.Table(columns=columns, data=data)})
        for row in rows:
            name = "/".join(str(row[key]) for key in ("work", "size", "batch", "contestant", "stage"))
            for key in ("median_s", "peak_mib", "share", "against_port"):
                if row.get(key) is not None:
                    run.summary[f"{name}/{key}"] = row[key]


def _table(path: Path) -> object:
    import wandb

    with path.open(newline="", encoding="utf-8", errors="backslashreplace") as file:
        header, *rows = csv.reader(file)
    return wandb.Table(columns=list(header), data=[[_value(cell) for cell in row] for row in rows])


def _value(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell or None
