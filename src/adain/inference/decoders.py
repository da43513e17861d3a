"""Which decoder a word means."""

from __future__ import annotations

from pathlib import Path

from adain.runtime.errors import UserError
from adain.training.checkpoints import list_checkpoints
from adain.training.outcome import relative

_TRIALS = ("smoke", "overfit")
"""Recipes that show that everything works, and are over before it looks good."""


def choose_decoder(wanted: str | None, logs: Path) -> str:
    """What ``load_decoder`` takes, and what is printed: ``shipped``, ``reference`` or a path.

    Args:
        wanted: ``latest`` is the newest run's best checkpoint, and ``best`` where nothing was trained yet, which is said;
            ``best`` is ``shipped`` where the package has a decoder, else ``reference``; other words are themselves.
        logs: The folder of the runs.

    Raises:
        UserError: If the decoder is null.
    """
    if wanted is None:
        raise UserError("decoder=null cannot be used: give latest, best, shipped, reference, or a path")
    from adain.nn.decoder import best_at_hand, checkpoint_of

    if wanted == "best":
        return best_at_hand()
    if wanted != "latest":
        return wanted
    newest = logs / "latest"
    try:
        path = checkpoint_of(newest)
    except UserError:
        if others := list_checkpoints(logs):  # the newest run failed, was stopped at once, or has only just begun
            path = others[0]
            print(f"the newest run kept no checkpoint: using {relative(path)}, or give decoder=PATH")
        else:
            chosen = best_at_hand()
            called = "published reference" if chosen == "reference" else chosen
            print(f"no trained decoder below {logs} yet: using the {called} decoder")
            return chosen
    if (experiment := path.parents[2].name) in _TRIALS:
        print(f"the newest run is of experiment={experiment}, a trial: decoder=shipped makes good pictures")
    return str(relative(path))
