"""Whether the chosen system can do what is asked of it, before torch is imported."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from adain.methods.interface import CAPABILITIES, known_method, require
from adain.runtime.errors import UserError
from adain.training.checkpoints import list_checkpoints


def check_method(config: DictConfig) -> None:
    """Holds the keys of ``make stylize`` against the system's abilities.

    Raises:
        UserError: At the first that it cannot do, or if it needs a checkpoint and none is meant.
    """
    name = known_method(str(config.model.name))
    can = CAPABILITIES[name]
    if can.trained and config.decoder is None:
        words = (
            "latest, best, shipped, reference, or a file" if name == "adain" else "latest, a run's folder, or a file"
        )
        raise UserError(f"decoder=null cannot be used: give {words}")
    if name == "adain":
        return
    if not can.any_style and (config.style is not None or config.styles is not None):
        require(name, "any_style")
    if not can.alpha and (config.alpha != 1 or config.grid == "alpha"):
        require(name, "alpha")
    if config.masks is not None:
        require(name, "masks")
    if config.styles is not None or config.grid == "corners":
        require(name, "mixing")
    if not can.any_style and str(config.preserve_color).lower() in ("coral", "true"):
        raise UserError(f"preserve_color=coral changes the style picture, which model={name} has not: give luminance")
    if str(config.tile).lower() not in ("auto", "none"):
        raise UserError(f"tile={config.tile} is for model=adain: model={name} takes each picture whole, leave it out")
    if config.precision != "32-true":
        raise UserError(f"precision={config.precision} is for model=adain: model={name} works in float32, leave it out")
    if not can.trained and config.decoder not in ("latest", None):
        require(name, "trained")
    if can.trained:
        checkpoint_of_method(name, str(config.decoder), Path(config.logs))


def checkpoint_of_method(name: str, wanted: str, logs: Path) -> Path:
    """The file that ``decoder=wanted`` means for a trained system other than AdaIN; ``latest``: of its own newest run.

    Raises:
        UserError: If there is none.
    """
    if wanted in ("best", "shipped", "reference"):
        raise UserError(f"decoder={wanted} is AdaIN's: give model={name} latest, a run's folder, or a file")
    runs = [Path(wanted).expanduser()]
    if wanted == "latest":
        runs = [*list_checkpoints(logs, name), logs / "latest"]
    for run in runs:
        for path in (run, run / "checkpoints" / "best.ckpt", run / "checkpoints" / "last.ckpt"):
            if path.is_file():
                return path
    if wanted == "latest":
        style = " model.style=FILE" if name == "texture_network" else ""
        raise UserError(
            f"no model={name} was trained below {logs} yet: make train experiment={name}{style}, or give decoder=PATH"
        )
    raise UserError(f"decoder={wanted} has no checkpoint: give latest, a run's folder, or a file")
