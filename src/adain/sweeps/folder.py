"""A sweep's folder: finding it, choosing it, and going on in it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.quoting import quote
from adain.runtime.schema import current_override


def find_sweep(wanted: str, logs: Path, word: str) -> Path:
    """Return the folder that ``latest`` or a path means.

    Args:
        wanted: As typed.
        logs: Where outputs go.
        word: The key it was typed for, for the message.

    Raises:
        UserError: If there is none, or it is no sweep's folder.
    """
    if wanted == "latest":
        folder = logs / "sweeps" / "latest"
        if not folder.is_dir():
            raise UserError(f"{word}=latest: there is no sweep below {logs / 'sweeps'}: start one with make sweep")
        return folder.resolve()
    folder = Path(wanted.strip("'\"")).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"{word}={wanted} is no folder: give latest or a sweep's folder, as in {logs}/sweeps/NAME/DATE_TIME"
        )
    if not (folder / "multirun.yaml").is_file():
        inside = sorted(folder.glob("**/multirun.yaml"), key=lambda path: path.stat().st_mtime)
        hint = f"; did you mean {inside[-1].parent}?" if inside else ""
        raise UserError(f"{word}={wanted} is no sweep's folder: it holds no multirun.yaml{hint}")
    return folder


def free_folder(folder: Path) -> Path:
    """Return the folder, with a number behind it where two sweeps start in one second."""
    free, count = folder, 2
    while free.exists():
        free, count = folder.with_name(f"{folder.name}_{count}"), count + 1
    return free


def resumed_overrides(folder: Path, typed: list[str]) -> list[str]:
    """Return the overrides that a sweep was started with, then what is typed now, and its folder."""
    recorded = OmegaConf.load(folder / "multirun.yaml").hydra.overrides
    given = {argument.partition("=")[0].lstrip("+") for argument in typed}
    before = [
        override
        for override in (current_override(str(override)) for override in [*recorded.task, *recorded.hydra])
        if (key := override.partition("=")[0].lstrip("+")) not in given and key not in ("hydra.sweep.dir", "hydra.mode")
    ]
    return [*before, *typed, f"hydra.sweep.dir={quote(str(folder))}"]
