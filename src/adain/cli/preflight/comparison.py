"""Check the keys of ``make compare`` before torch is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from adain.cli.preflight.evaluation import check_both_sides
from adain.evaluation.paper.request import PARTS, checkpoint_file
from adain.runtime.errors import UserError


def check_comparison(config: DictConfig) -> None:
    """Check lists, folders and checkpoints.

    Raises:
        UserError: At the first mistake.
    """
    if not OmegaConf.is_list(config.parts) or not config.parts or any(part not in PARTS for part in config.parts):
        raise UserError(f"parts={_shown(config.parts)} must be a list out of {', '.join(PARTS)}, such as parts=speed")
    for key, least in (("sizes", 32), ("losses.iterations", 1)):
        values = OmegaConf.select(config, key)
        if not values or any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in values):
            raise UserError(
                f"{key}={_shown(values)} must be whole numbers of at least {least}, such as {key}={2 * least}"
            )
    if config.speed.gatys_done > config.speed.gatys_iterations:
        raise UserError(
            f"speed.gatys_done={config.speed.gatys_done} is more than speed.gatys_iterations="
            f"{config.speed.gatys_iterations}: give at most as many"
        )
    check_both_sides(config)
    for key in ("content", "style"):
        if config[key] is not None and not Path(config[key]).expanduser().is_dir():
            raise UserError(f"{key}={config[key]} is no folder: give a folder of pictures")
    for name, given in config.checkpoints.items():
        if name == "adain" and given is None:
            raise UserError("checkpoints.adain=null cannot be used: give reference, a run's folder or a file")
        if given is None or (name == "adain" and given == "reference"):
            continue
        several = list(given) if OmegaConf.is_list(given) else [given]
        if len(several) > 1 and name != "texture_network":
            raise UserError(f"checkpoints.{name}={_shown(given)} are several: give one")
        for one in several:
            checkpoint_file(str(name), str(one))


def _shown(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if OmegaConf.is_list(value) else str(value)
