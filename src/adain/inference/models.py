"""Whether the model can do what is asked. No torch is imported for it."""

from __future__ import annotations

from pathlib import Path

from adain.inference.request import StylizeRequest
from adain.methods.interface import CAPABILITIES, known_method, require
from adain.runtime.errors import UserError
from adain.training.checkpoints import resolve_checkpoint


def check_model(request: StylizeRequest) -> None:
    """Check that the chosen model can do what is asked of it.

    Raises:
        UserError: At the first that it cannot do, or if it needs a checkpoint and none is meant.
    """
    name = known_method(request.model_name)
    can = CAPABILITIES[name]
    if can.trained and request.decoder is None:
        words = (
            "latest, best, shipped, reference, or a file" if name == "adain" else "latest, a run's folder, or a file"
        )
        raise UserError(f"decoder=null cannot be used: give {words}")
    if name == "adain":
        return
    if not can.any_style and (request.style is not None or request.styles is not None):
        require(name, "any_style")
    if not can.alpha and (request.alpha != 1 or request.grid == "alpha"):
        require(name, "alpha")
    if request.masks is not None:
        require(name, "masks")
    if request.styles is not None or request.grid == "corners":
        require(name, "mixing")
    if not can.any_style and str(request.preserve_color).lower() in ("coral", "true"):
        raise UserError(f"preserve_color=coral changes the style picture, which model={name} has not: give luminance")
    if str(request.tile).lower() not in ("auto", "none"):
        raise UserError(f"tile={request.tile} is for model=adain: model={name} takes each picture whole, leave it out")
    if request.precision != "32-true":
        raise UserError(
            f"precision={request.precision} is for model=adain: model={name} works in float32, leave it out"
        )
    if not can.trained and request.decoder not in ("latest", None):
        require(name, "trained")
    if can.trained:
        resolve_checkpoint(request.decoder, Path(request.logs), name)
