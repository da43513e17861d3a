"""Check the keys of ``make evaluate``, ``make compare`` and ``make bench`` before torch is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from adain.evaluation.paper.request import checkpoint_file
from adain.evaluation.request import is_evaluation
from adain.evaluation.speed.checkout import check_reference
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.runtime.schema import MetricName


def check_evaluation(config: DictConfig) -> None:
    """Check metrics, pairs and folders of ``make evaluate``.

    Raises:
        UserError: At the first mistake.
    """
    names, given = get_args(MetricName), metric_names(config.metrics)
    if not given or (unknown := [name for name in given if name not in names]):
        shown = unknown[0] if given else "[]"
        raise UserError(f"metrics={shown} is not allowed: choose all, or a list of {', '.join(names)}")
    if config.compare is not None:
        if not OmegaConf.is_list(config.compare) or len(config.compare) != 2:
            raise UserError(f"compare={config.compare} must be two folders of evaluations: compare=FOLDER,FOLDER")
        for folder in config.compare:
            if not is_evaluation(folder):
                raise UserError(f"compare: {folder} is not a folder of an evaluation: give folders below logs/evaluate")
    pairs = count_or_file(config.pairs)
    if pairs == 0:
        raise UserError("pairs=0 is too small: give at least 1, or a file")
    if isinstance(pairs, Path) and not pairs.is_file():
        raise UserError(f"pairs={config.pairs} is neither a number nor an existing file: give one of them")
    if isinstance(pairs, Path) and (config.content is not None or config.style is not None):
        raise UserError("pairs=FILE names contents and styles itself: leave content and style out")
    if config.benchmark.name is None:
        if config.benchmark.pictures is not None:
            raise UserError("benchmark.pictures belongs to a benchmark: give benchmark=styleid800 too")
    elif isinstance(pairs, Path) or config.content is not None or config.style is not None:
        raise UserError(
            f"benchmark={config.benchmark.name} has its own contents and styles: leave content, style and pairs=FILE out"
        )
    check_both_sides(config)


def check_comparison(config: DictConfig) -> None:
    """Check folders and checkpoints of ``make compare``.

    Raises:
        UserError: At the first mistake.
    """
    if config.speed.gatys_done > config.speed.gatys_iterations:
        raise UserError(
            f"speed.gatys_done={config.speed.gatys_done} is more than speed.gatys_iterations="
            f"{config.speed.gatys_iterations}: give at most as many"
        )
    check_both_sides(config)
    check_folders(config)
    for name, given in config.checkpoints.items():
        if name == "adain" and given is None:
            raise UserError("checkpoints.adain=null cannot be used: give reference, a run's folder or a file")
        if given is None or (name == "adain" and given == "reference"):
            continue
        for one in given if OmegaConf.is_list(given) else [given]:
            checkpoint_file(str(name), str(one))


def check_benchmark(config: DictConfig) -> None:
    """Check model and folders of ``make bench``.

    Raises:
        UserError: At the first mistake.
    """
    if config.model.name != "adain" and (config.bench != "stylize" or config.reference is not None):
        raise UserError(
            f"model={config.model.name} works only with bench=stylize and without reference=: change these, or give model=adain"
        )
    if config.reference is not None:
        check_reference(config.reference)
    check_folders(config)


def check_folders(config: DictConfig) -> None:
    """Check that contents and styles are folders where they are given.

    Raises:
        UserError: If one is not.
    """
    for key in ("content", "style"):
        if config[key] is not None and not expanded(config[key]).is_dir():
            raise UserError(f"{key}={config[key]} is not a folder: give a folder of pictures")


def check_both_sides(config: DictConfig) -> None:
    """Check that contents and styles are given together.

    Raises:
        UserError: If one is given alone.
    """
    if (config.content is None) != (config.style is None):
        given, missing = ("content", "style") if config.style is None else ("style", "content")
        raise UserError(f"{given} is given without {missing}: give both, or neither for the sample pictures")


def metric_names(metrics: Any) -> list[str]:
    """Return the names that a word or a list means."""
    if metrics == "all":
        return list(get_args(MetricName))
    return listed(metrics)


def listed(words: Any) -> list[str]:
    """Return the words that one word, a list, or null means."""
    return [words] if isinstance(words, str) else list(words or [])


def count_or_file(pairs: Any) -> int | Path | None:
    """Return how many pairs to sample, or the file that lists them."""
    if pairs is None:
        return None
    text = str(pairs)
    return int(text) if text.isdecimal() and not Path(text).is_file() else expanded(text)
