"""Which checkpoint a word means: ``latest``, ``last``, ``best``, ``shipped``, ``reference``, a run's folder, or a file."""

from __future__ import annotations

from pathlib import Path

from adain.methods.interface import CAPABILITIES
from adain.runtime.errors import UserError
from adain.runtime.files import relative
from adain.runtime.run_folder import checkpoint_of, is_checkpoint
from adain.runtime.schema import READY_DECODERS, MethodName

_TRIALS = ("smoke", "overfit")
"""Recipes that show that everything works, and are over before it looks good."""


def list_checkpoints(logs: Path, experiment: str = "*") -> list[Path]:
    """Return the checkpoints of the runs below ``logs``, the newest first: of each run its best, else its last.

    Args:
        logs: Where outputs go.
        experiment: Of these runs only.
    """
    found = []
    for folder in (logs / "runs").glob(f"{experiment}/*/checkpoints"):
        for name in ("best.ckpt", "last.ckpt"):
            if (path := folder / name).exists():
                found.append((path.stat().st_mtime, path))
                break
    return [path for _, path in sorted(found, reverse=True)]


def resolve_checkpoint(word: str | None, logs: Path, model: MethodName = "adain") -> str:
    """Return what ``load_method`` and, for AdaIN, ``load_decoder`` take: a path, ``shipped`` or ``reference``.

    No torch is imported for it, except to tell whether the package ships a decoder.

    Args:
        word: ``latest`` is the newest run's best checkpoint; of AdaIN ``best`` where nothing was trained yet, which is
            said. ``best`` is ``shipped`` where the package has a decoder, else ``reference``. A path is itself, of a
            model other than AdaIN the file that it leads to.
        logs: The folder of the runs.
        model: A trained one.

    Raises:
        UserError: If there is none.
    """
    if model != "adain":
        return str(_of_model(model, str(word), logs))
    if word is None:
        raise UserError("decoder=null cannot be used: give latest, best, shipped, reference, or a path")
    from adain.nn.decoder import best_at_hand

    if word == "best":
        return best_at_hand()
    if word != "latest":
        return word
    path = checkpoint_of((logs / "latest").resolve())
    if path is None:  # the newest run failed, was stopped at once, or has only just begun
        kept = list_checkpoints(logs)
        if not kept:
            ready = best_at_hand()
            called = "published reference" if ready == "reference" else ready
            print(f"no trained decoder below {logs} yet: using the {called} decoder")
            return ready
        path = kept[0]
        print(f"the newest run kept no checkpoint: using {relative(path)}, or give decoder=PATH")
    if (experiment := path.parents[2].name) in _TRIALS:
        print(f"the newest run is of experiment={experiment}, a trial: decoder=shipped makes good pictures")
    return str(relative(path))


def resolve_file(word: str | None, logs: Path, model: MethodName = "adain") -> str:
    """Return what ``resolve_checkpoint`` does, a run's folder followed to the file in it.

    Raises:
        UserError: If there is no such file.
    """
    resolved = resolve_checkpoint(word, logs, model)
    if resolved in READY_DECODERS:
        return resolved
    path = Path(resolved).expanduser()
    if (file := checkpoint_of(path)) is not None:
        return str(file)
    if path.is_dir():
        raise UserError(
            f"{word} is a folder without checkpoints/best.ckpt or last.ckpt: give a run's folder, or a file"
        )
    raise UserError(
        f"there is no checkpoint at {word}: give a file, a run's folder, latest, best, shipped or reference"
    )


def _of_model(model: MethodName, word: str, logs: Path) -> Path:
    """Return the file of a trained model other than AdaIN; ``latest``: of its own newest run."""
    if word in ("best", *READY_DECODERS):
        raise UserError(f"decoder={word} is AdaIN's: give model={model} latest, a run's folder, or a file")
    places = [*list_checkpoints(logs, model), logs / "latest"] if word == "latest" else [Path(word).expanduser()]
    if path := next(filter(None, map(checkpoint_of, places)), None):
        return path
    if word == "latest":
        style = "" if CAPABILITIES[model].any_style else " model.style=FILE"
        raise UserError(
            f"no model={model} was trained below {logs} yet: make train experiment={model}{style}, or give decoder=PATH"
        )
    raise UserError(f"decoder={word} has no checkpoint: give latest, a run's folder, or a file")


def checkpoint_to_resume(word: str, logs: Path) -> Path:
    """Return the checkpoint that ``ckpt=last``, ``ckpt=best`` or ``ckpt=PATH`` means; of a run's folder, its last.

    Raises:
        UserError: If it does not exist.
    """
    if word in ("last", "best"):
        path = (logs / "latest").resolve() / "checkpoints" / f"{word}.ckpt"
        if not (logs / "latest").exists():
            raise UserError(f"ckpt={word}: there is no run below {logs} yet: train first, or give a path")
        if not is_checkpoint(path):
            kept = list_checkpoints(logs)
            advice = (
                f"give ckpt={kept[0]} to go on with the newest that has one" if kept else "train first, or give a path"
            )
            raise UserError(f"ckpt={word}: the newest run below {logs} has no {path.name}: {advice}")
        return path
    path = Path(word.strip("'\"")).expanduser()
    if path.is_dir() and not is_checkpoint(path):
        path = path / "checkpoints" / "last.ckpt"
    if not is_checkpoint(path):
        raise UserError(f"ckpt={word} does not exist: give last, best, a run's folder or a checkpoint")
    return path.resolve()
