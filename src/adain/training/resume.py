"""``ckpt=last|best|PATH``: going on with a run means its folder, its configuration and its W&B run.

What cannot go on is refused before anything of the run is touched, and its record changes once a new step is done.
"""

from __future__ import annotations

import filecmp
import os
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from adain.runtime.errors import InputError, UserError
from adain.runtime.files import expanded, write_whole
from adain.runtime.quoting import quote
from adain.runtime.run_folder import is_checkpoint, read_summary
from adain.runtime.schema import RENAMED, current_name, current_override
from adain.training.checkpoints import checkpoint_to_resume

_MISSING = object()
_FREE = {
    "model.init", "model.start_pictures", "model.start_patches", "model.encoder_weights",
    "optimizer.schedule", "optimizer.lr_decay", "optimizer.warmup_steps", "optimizer.lr_batch", "optimizer._partial_",
}  # fmt: skip
"""Keys that may change: they ended with the start, name files that may have moved, or set the steps to come."""
_FIXED = ("seed", "monitor.metric", "monitor.mode", "data._target_", *(f"data.{key}" for key in (
    "count", "resize", "crop", "flip", "val_size", "val_pairs")))  # fmt: skip
"""Other keys that may not: it would be another run, whose figures cannot be laid beside those so far."""


def resumed_arguments(typed: list[str]) -> list[str]:
    """Return what was typed behind the interrupted run's own overrides, with the outputs sent to its folder.

    So ``make train ckpt=last`` continues with the newest run whatever experiment it was, and
    ``make train ckpt=last trainer.max_steps=1000`` lengthens it.

    Raises:
        UserError: If there is no such checkpoint, or it lies in no run's folder.
    """
    given = {key: value for key, _, value in (argument.partition("=") for argument in typed)}
    wanted = given.get("ckpt", "null")
    if wanted in ("null", ""):
        return typed
    checkpoint = checkpoint_to_resume(wanted, expanded(given.get("logs", "logs")))
    run = checkpoint.parent.parent
    if not (run / ".hydra" / "overrides.yaml").is_file():
        raise UserError(
            f"ckpt={wanted} ({checkpoint}) lies in no run's folder, so its configuration is unknown: to start a new run from "
            f"its decoder use model.init={checkpoint}"
        )
    recorded = recorded_overrides(run)
    before = [o for o in recorded if o.partition("=")[0] not in given and not o.startswith("hydra.run.dir")]
    rest = [argument for argument in typed if not argument.startswith("ckpt=")]
    return [*before, *rest, f"ckpt={quote(str(checkpoint))}", f"hydra.run.dir={quote(str(run))}"]


def recorded_overrides(run: Path) -> list[str]:
    """Return a run's overrides as they were typed, in today's words, a ``${`` unresolved; none where none are recorded."""
    path = run / ".hydra" / "overrides.yaml"
    written: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False) if path.is_file() else None
    return [current_override(str(override)) for override in written or ()]


def check_unchanged(config: DictConfig, run: Path) -> None:
    """Refuse to continue with a run in another configuration than its folder records.

    Raises:
        UserError: With the keys that differ.
    """
    record = run / ".hydra" / "config.yaml"
    if not record.is_file():
        return
    before: Any = OmegaConf.load(record)
    for old, new in RENAMED.items():  # of version 0.1
        if old in before:
            before[new] = before.pop(old)
    names = {f"{part}.{key}" for part in ("model", "optimizer") for key in config[part]} - _FREE
    values = {key: (_value(before, key), _value(config, key)) for key in (*_FIXED, *sorted(names))}
    if _is_moved(*values.get("model.style", (None, None))):
        del values["model.style"]
    differing = [key for key, (old, new) in values.items() if old != new and _MISSING not in (old, new)]
    if not differing:
        return
    typed, recorded = (
        ", ".join(f"{key.removesuffix('._target_')}={shown(values[key][which])}" for key in differing[:3])
        for which in (1, 0)
    )
    more = f" and {len(differing) - 3} more keys" if len(differing) > 3 else ""
    start = f" from its weights with model.init={config.ckpt}" if "init" in config.model else ""
    raise UserError(
        f"the run {run} was trained with {recorded}{more}, so it cannot continue with {typed}: leave out what differs, or "
        f"start a new run{start}"
    )


def _is_moved(old: Any, new: Any) -> bool:
    """Return whether two paths are those of one picture: of the same bytes, or of one name where one of them is gone."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return False
    before, now = expanded(old), expanded(new)
    if before.is_file() and now.is_file():
        return filecmp.cmp(before, now, shallow=False)
    return before.name == now.name


def _value(config: Any, key: str) -> Any:
    """Return a value resolved, as plain data; ``_MISSING`` where there is none or it refers to what is not recorded."""
    try:
        value = OmegaConf.select(config, key, default=_MISSING)
    except Exception:  # an interpolation that only Hydra can resolve
        return _MISSING
    return comparable(key, OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)


def comparable(key: str, value: Any) -> Any:
    """Return a plain value in today's words; of a class its name, for where it is defined may change between versions."""
    return str(value).rpartition(".")[2] if key.endswith("_target_") else current_name(value)


def shown(value: Any) -> str:
    """Return a value as it is typed."""
    return "null" if value is None else str(value).replace(" ", "")


def check_loads(checkpoint: Path, method: Any, datamodule: Any) -> None:
    """Load a checkpoint into what is to go on from it, before anything of the run is touched. DeepSpeed loads its own.

    Raises:
        UserError: If it cannot be read, is not a run's checkpoint, or another method's or network's.
    """
    from adain.nn.weights import read_state

    if checkpoint.is_dir():
        return
    try:
        state = read_state(checkpoint)
    except InputError as error:
        other = checkpoint.with_name("best.ckpt" if checkpoint.name == "last.ckpt" else "last.ckpt")
        raise UserError(f"{error}, such as ckpt={other}" if other.is_file() else str(error)) from None
    if not {"state_dict", "optimizer_states", "loops"} <= set(state):
        raise UserError(
            f"{checkpoint} is not a checkpoint of a run: start a new run from it with model.init={checkpoint}"
        )
    method.on_load_checkpoint(state)
    try:
        method.load_state_dict(state["state_dict"])
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(
            f"{checkpoint} does not fit the configured network ({reason}): continue with the configuration it was trained with"
        ) from None
    if (pairs := state.get(type(datamodule).__qualname__)) is not None:
        datamodule.load_state_dict(pairs)


def write_record(config: DictConfig, run: Path) -> None:
    """Write ``.hydra/`` as Hydra does, which would do so before it is known whether the folder is this run's.

    Of a new run it is written once the folder is kept to it, of one that goes on with its first step.
    """
    hydra: Any = HydraConfig.instance().cfg
    (run / ".hydra").mkdir(exist_ok=True)
    for name, content in (
        ("config", config),
        ("hydra", OmegaConf.masked_copy(hydra, "hydra")),
        ("overrides", hydra.hydra.overrides.task),
    ):
        write_whole(run / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(content))


def check_unused(folder: Path) -> None:
    """Refuse to start a new run in the folder of another, whose checkpoints and record it would replace.

    Raises:
        UserError: If it holds a checkpoint to go on from, or the best one of a finished run.
    """
    last, best = (folder / "checkpoints" / name for name in ("last.ckpt", "best.ckpt"))
    if is_checkpoint(last) or (is_checkpoint(best) and read_summary(folder).get("status") == "finished"):
        raise UserError(
            f"hydra.run.dir={folder} already holds a run: continue it with ckpt={last if is_checkpoint(last) else best}, "
            "or give another folder"
        )


def requeued(config: DictConfig, folder: Path) -> None:
    """A job that SLURM stopped and began again continues with its checkpoint."""
    last = folder / "checkpoints" / "last.ckpt"
    if config.ckpt is None and os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and is_checkpoint(last):
        config.ckpt = str(last)
