"""Which checkpoint a word means: ``auto``, ``latest``, ``last``, ``best``, ``shipped``, ``reference``, or a path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from adain.methods.interface import CAPABILITIES
from adain.runtime.errors import UserError
from adain.runtime.files import expanded, relative
from adain.runtime.run_folder import checkpoint_of, is_checkpoint, read_record, read_summary
from adain.runtime.schema import READY_DECODERS, MethodName


class Resolved(NamedTuple):
    """A checkpoint, and how a command introduces it.

    Attributes:
        source: What ``load_method`` and, for AdaIN, ``load_decoder`` take: a file, ``shipped``, or ``reference``.
        note: Why it was chosen and which word chooses another; empty if it was typed.
    """

    source: str
    note: str = ""

    def announce(self) -> str:
        """Print the first line of a command whose decoder was not typed; return the source."""
        if self.note:
            print(f"decoder: {'shipped with the package' if self.source == 'shipped' else self.source} ({self.note})")
        return self.source


def resolve_checkpoint(word: str | None, logs: Path, model: MethodName = "adain") -> Resolved:
    """Return the checkpoint that a word means. No torch is imported for it.

    Args:
        word: ``auto``: the newest finished run or winner of a sweep that is not a draft, else ``shipped``. ``latest``: the
            newest run's best checkpoint, else its last; ``shipped`` where nothing was trained yet. ``best`` is ``shipped``. Of
            models other than AdaIN, ``auto`` is ``latest``, and means their own newest run. Or a file or a run's folder.
        logs: The folder of the runs.
        model: A trained one.

    Raises:
        UserError: If there is none.
    """
    words = "auto, latest, best, shipped, reference, a run's folder, or a file"
    if model != "adain":
        words = "latest, a run's folder, or a file"
        if word in ("best", *READY_DECODERS):
            raise UserError(f"decoder={word} is AdaIN's: give model={model} {words}")
    if word is None:
        raise UserError(f"decoder=null cannot be used: give {words}")
    if word in ("auto", "latest"):
        return _newest_of(model, logs) if model != "adain" else _auto(logs) if word == "auto" else _latest(logs)
    if word in ("best", *READY_DECODERS):
        return Resolved("shipped" if word == "best" else word)
    path = expanded(word)
    if (file := checkpoint_of(path)) is not None:
        return Resolved(str(file))
    if path.is_dir():
        raise UserError(f"decoder={word} is a folder without checkpoints/best.ckpt or last.ckpt: give {words}")
    raise UserError(f"there is no checkpoint at {word}: give {words}")


def _auto(logs: Path) -> Resolved:
    draft = ""
    for run, origin in _finished_runs(logs):
        summary, file = read_summary(run), checkpoint_of(run)
        usable = summary.get("model") == "adain" and not summary["ablation"] and summary.get("status") == "finished"
        if not usable or file is None:
            continue
        if summary.get("draft") is None:
            return Resolved(str(relative(file)), f"{origin}; decoder=shipped takes the one in the package")
        word = "latest" if run == (logs / "latest").resolve() else relative(run)
        draft = draft or f"{origin} is a draft; decoder={word} takes it"
    if not draft and not list_checkpoints(logs) and not (logs / "latest").exists():
        return Resolved("shipped", f"no run under {logs}/ yet; decoder=reference takes the published one")
    return Resolved("shipped", draft or f"no finished run under {logs}/; decoder=latest takes the newest run")


def _finished_runs(logs: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folders of runs and of sweeps' winners, the last written first, each with what it is."""
    runs = [*logs.glob("runs/*/*/summary.json"), *logs.glob("latest/summary.json")]  # latest may lie elsewhere
    found = {path.resolve(): "the newest finished run" for path in runs}
    for path in logs.glob("sweeps/*/*/winner.json"):
        winner = read_record(path)
        summary = path.with_name(str(winner.get("job"))) / "summary.json"
        if winner.get("finished") and summary.is_file():
            found[summary.resolve()] = "the newest sweep's winner"
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True):
        yield path.parent, found[path]


def _latest(logs: Path) -> Resolved:
    if (path := checkpoint_of((logs / "latest").resolve())) is not None:
        draft = ", a draft" if read_summary(path.parents[1]).get("draft") else ""
        return Resolved(str(relative(path)), f"the newest run{draft}; decoder=shipped takes the one in the package")
    if others := list_checkpoints(logs):  # the newest run failed, was stopped at once, or has only just begun
        return Resolved(str(relative(others[0])), "the newest run kept no checkpoint: this is the newest one that did")
    return Resolved("shipped", f"no trained decoder under {logs}/ yet")


def _newest_of(model: MethodName, logs: Path) -> Resolved:
    for place in (*list_checkpoints(logs, model), logs / "latest"):
        if (file := checkpoint_of(place)) is not None:
            return Resolved(str(file), f"the newest run of model={model}")
    style = "" if CAPABILITIES[model].any_style else " model.style=FILE"
    raise UserError(
        f"no model={model} was trained below {logs} yet: make train experiment={model}{style}, or give decoder=PATH"
    )


def list_checkpoints(logs: Path, experiment: str = "*") -> list[Path]:
    """Return the checkpoints of the runs below ``logs``, the newest first: of each run its best, else its last."""
    files = (checkpoint_of(run) for run in (logs / "runs").glob(f"{experiment}/*"))
    return sorted(filter(None, files), key=lambda path: path.stat().st_mtime, reverse=True)


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
                f"give ckpt={kept[0]} to continue with the newest that has one"
                if kept
                else "train first, or give a path"
            )
            raise UserError(f"ckpt={word}: the newest run below {logs} has no {path.name}: {advice}")
        return path
    path = expanded(word.strip("'\""))
    if path.is_dir() and not is_checkpoint(path):
        path = path / "checkpoints" / "last.ckpt"
    if not is_checkpoint(path):
        raise UserError(f"ckpt={word} does not exist: give last, best, a run's folder or a checkpoint")
    return path.resolve()
