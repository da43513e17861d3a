"""A sweep's folder: finding it, choosing it, and going on in it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.runtime.quoting import quote
from adain.runtime.schema import current_override
from adain.sweeps.ranking import UNSEEN
from adain.sweeps.results import flat
from adain.training.resume import comparable, shown


def find_sweep(wanted: str, logs: Path, word: str) -> Path:
    """Return the folder that ``latest`` or a path means, which was typed for the key ``word``.

    Raises:
        UserError: If there is none, or it is not a sweep's folder.
    """
    if wanted == "latest":
        folder = logs / "sweeps" / "latest"
        if not folder.is_dir():
            raise UserError(f"{word}=latest: there is no sweep below {logs / 'sweeps'}: start one with make sweep")
        return folder.resolve()
    folder = expanded(wanted.strip("'\""))
    if not folder.is_dir():
        raise UserError(
            f"{word}={wanted} is not a folder: give latest or a sweep's folder, as in {logs}/sweeps/NAME/DATE_TIME"
        )
    if not (folder / "multirun.yaml").is_file():
        inside = sorted(folder.glob("**/multirun.yaml"), key=lambda path: path.stat().st_mtime)
        inside += [path for path in (folder.parent / "multirun.yaml",) if path.is_file()]  # of a job's folder
        hint = f"; did you mean {inside[-1].parent}?" if inside else ""
        raise UserError(f"{word}={wanted} is not a sweep's folder: it holds no multirun.yaml{hint}")
    return folder


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


def with_seeds(typed: list[str], count: str) -> list[str]:
    """Return the overrides of a sweep that trains every point with the seeds 1 to ``count``.

    Raises:
        UserError: If it is not a number above 1, or the seed is given too.
    """
    if not count.isdecimal() or int(count) < 2:
        raise UserError(f"seeds={count} is not allowed: give a whole number of at least 2")
    if any(override.partition("=")[0].lstrip("+") == "seed" for override in typed):
        raise UserError(f"seeds={count} and seed= are both given: give one of them")
    if any(override.partition("=")[::2] == ("sweep", "optuna") for override in typed):
        return [*typed, f"hydra.sweeper.seeds={count}"]
    return [*typed, f"seed={','.join(str(seed + 1) for seed in range(int(count)))}"]


def check_same_settings(folder: Path, config: Any, swept: Collection[str]) -> None:
    """Refuse to continue with a sweep in other settings: its jobs could not be compared. Where they run may change.

    Raises:
        UserError: With the first key that differs, its old and its new value.
    """
    if not (folder / "multirun.yaml").is_file():
        return
    loaded: Any = OmegaConf.to_container(OmegaConf.load(folder / "multirun.yaml"), resolve=False)
    before = {current_override(key): comparable(key, value) for key, value in flat(loaded).items()}
    now = flat(OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]
    typed = dict(loaded["hydra"]["sweeper"].get("params") or {})
    typed |= dict(current_override(o).lstrip("+").partition("=")[::2] for o in loaded["hydra"]["overrides"]["task"])
    for key in before:
        if key in swept or key not in now or key.startswith((*UNSEEN, "hydra.")):
            continue
        old, new = before[key], comparable(key, now[key])
        if old != new and "${" not in f"{old}{new}":
            name = key.removesuffix("._target_")
            raise UserError(
                f"the sweep {folder} was started with {name}={typed.get(key, shown(old))}, so it cannot continue with "
                f"{name}={shown(new)}: leave {name} out, or start a new sweep"
            )
