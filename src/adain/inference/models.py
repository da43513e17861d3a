"""Which weights a word means, and whether the model can do what is asked. No torch is imported for it."""

from __future__ import annotations

from pathlib import Path

from adain.inference.request import StylizeRequest
from adain.methods.interface import CAPABILITIES, known_method, require
from adain.runtime.errors import UserError
from adain.runtime.files import relative
from adain.training.checkpoints import list_checkpoints

_TRIALS = ("smoke", "overfit")
"""Recipes that show that everything works, and are over before it looks good."""


def choose_decoder(word: str | None, logs: Path) -> str:
    """Return what ``load_decoder`` takes and what is printed: ``shipped``, ``reference`` or a path.

    Args:
        word: ``latest`` is the newest run's best checkpoint, and ``best`` where nothing was trained yet, which is said;
            ``best`` is ``shipped`` where the package has a decoder, else ``reference``; other words are themselves.
        logs: The folder of the runs.

    Raises:
        UserError: If the decoder is null.
    """
    if word is None:
        raise UserError("decoder=null cannot be used: give latest, best, shipped, reference, or a path")
    from adain.nn.decoder import best_at_hand, checkpoint_of

    if word == "best":
        return best_at_hand()
    if word != "latest":
        return word
    newest = logs / "latest"
    try:
        path = checkpoint_of(newest)
    except UserError:
        if kept := list_checkpoints(logs):  # the newest run failed, was stopped at once, or has only just begun
            path = kept[0]
            print(f"the newest run kept no checkpoint: using {relative(path)}, or give decoder=PATH")
        else:
            chosen = best_at_hand()
            called = "published reference" if chosen == "reference" else chosen
            print(f"no trained decoder below {logs} yet: using the {called} decoder")
            return chosen
    if (experiment := path.parents[2].name) in _TRIALS:
        print(f"the newest run is of experiment={experiment}, a trial: decoder=shipped makes good pictures")
    return str(relative(path))


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
        checkpoint_of_model(name, str(request.decoder), Path(request.logs))


def checkpoint_of_model(name: str, word: str, logs: Path) -> Path:
    """Return the file that ``decoder=WORD`` means for a trained model other than AdaIN; ``latest``: of its own newest run.

    Raises:
        UserError: If there is none.
    """
    if word in ("best", "shipped", "reference"):
        raise UserError(f"decoder={word} is AdaIN's: give model={name} latest, a run's folder, or a file")
    runs = [Path(word).expanduser()]
    if word == "latest":
        runs = [*list_checkpoints(logs, name), logs / "latest"]
    for run in runs:
        for path in (run, run / "checkpoints" / "best.ckpt", run / "checkpoints" / "last.ckpt"):
            if path.is_file():
                return path
    if word == "latest":
        style = " model.style=FILE" if name == "texture_network" else ""
        raise UserError(
            f"no model={name} was trained below {logs} yet: make train experiment={name}{style}, or give decoder=PATH"
        )
    raise UserError(f"decoder={word} has no checkpoint: give latest, a run's folder, or a file")
