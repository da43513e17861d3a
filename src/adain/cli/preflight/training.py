"""Check that the values of a configuration fit each other and that its files exist, before torch is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from adain.cli.preflight.explain import shown
from adain.data.folders import walk
from adain.runtime.conf import conf_dir, group_choices
from adain.runtime.errors import InputError, UserError
from adain.runtime.files import existing, expanded

_WORKERS_PER_CORE = 4
_FILES = {
    "encoder.weights": "the encoder's weights file",
    "data.held_out": "a text file of names",
    "weights.lpips_alexnet": "the network's weights file",
    "weights.lpips_vgg16": "the network's weights file",
    "weights.inception_fid": "the network's weights file",
}


def check_training(config: DictConfig) -> None:
    """Check values that must fit each other. Missing keys are skipped.

    Raises:
        UserError: If some do not fit. The message is about the first.
    """
    for section in ("data.", ""):  # make bench has the keys without a section
        crop, resize = (OmegaConf.select(config, f"{section}{key}") for key in ("crop", "resize"))
        if crop is not None and resize is not None and crop > resize:
            raise UserError(
                f"{section}crop={crop} is larger than {section}resize={resize}: a crop must fit the short side"
            )
    for section in ("model", "style_swap"):
        size, stride = (OmegaConf.select(config, f"{section}.{key}") for key in ("patch_size", "stride"))
        if size is not None and stride is not None and stride > size:
            raise UserError(f"{section}.stride={stride} leaves gaps: give at most {section}.patch_size={size}")
    for key in ("data.num_workers", "workers"):
        _workers(key, OmegaConf.select(config, key))
    if (devices := OmegaConf.select(config, "trainer.devices")) is not None:
        _devices(devices, OmegaConf.select(config, "trainer.accelerator"))


def check_recipe(command: str, config: DictConfig, chosen: dict[str, str], overrides: list[str]) -> None:
    """Refuse a recipe that sets keys which the chosen model does not have; keys typed with a leading + are allowed.

    Raises:
        UserError: If the recipe does not fit. The message names one that does.
    """
    if "model" in chosen and chosen["model"] not in (known := group_choices(command, "model")):
        raise UserError(f"model={chosen['model']} is a recipe for make train: choose one of {', '.join(known)}")
    if "experiment" not in chosen:
        return
    name: str | None = chosen["model"]
    allowed = {o.lstrip("+").partition("=")[0] for o in overrides if o.startswith("+")}
    while name is not None:
        file: Any = OmegaConf.load(conf_dir() / "model" / f"{name}.yaml")
        allowed |= {f"model.{key}" for key in file}
        name = next((base for base in file.get("defaults", []) if base != "_self_"), None)
    if extra := sorted({f"model.{key}" for key in config.model} - allowed):
        raise UserError(
            f"experiment={chosen['experiment']} sets {extra[0]}, which model={chosen['model']} does not have: use "
            f"experiment={chosen['model']}, or another recipe"
        )


def check_files(config: DictConfig) -> None:
    """Check, before any work, that the files of a configuration exist and that its outputs can be written.

    Raises:
        UserError: If one is missing, unusable or not writable. The message is about the first.
    """
    for key in ("data.content", "data.style"):
        for typed, path in _given(config, key):
            if not path.exists():
                raise UserError(f"{key}={typed} does not exist: give a folder of pictures")
            if path.is_dir() and not _holds_pictures(path):
                raise UserError(f"{key}={typed} holds no picture: give a folder of pictures")
            if path.is_file():
                _check_picture(key, typed, config.data.get("max_pixels"))
    for key, what in _FILES.items():
        for typed, path in _given(config, key):
            if not path.is_file():
                raise UserError(f"{key}={typed} is not an existing file: give the path of {what}, or leave it out")
    for key in ("model.init", "encoder.weights", "compare_with"):
        for _, path in _given(config, key):
            if path.is_file():  # else a name such as "shipped", or a folder
                _holds_weights(key, path)
    for style, _ in _given(config, "model.style"):
        _check_picture("model.style", style)
    if (logs := OmegaConf.select(config, "logs")) is not None:
        _can_hold_outputs(Path(str(logs)))


def _given(config: DictConfig, key: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of a key, as typed and as paths. Of another command the same word may be a plain key."""
    section = key.rpartition(".")[0]
    value: Any = OmegaConf.select(config, key) if not section or OmegaConf.is_dict(config.get(section)) else None
    for one in value if OmegaConf.is_list(value) else [value]:
        if one is not None and not OmegaConf.is_dict(one):  # data=hub has sections for data.content and data.style
            yield str(one), expanded(str(one))


def _check_picture(key: str, file: str, max_pixels: int | None = None) -> None:
    from adain.data.picture import MAX_PIXELS, PictureError, read_picture

    try:
        read_picture(expanded(file), None, max_pixels or MAX_PIXELS)
    except PictureError as error:
        raise UserError(f"{key}={file} cannot be used ({error}): give another picture") from None


def _holds_weights(key: str, file: Path) -> None:
    """Check a file's first bytes, without torch: they identify torch's archives and pickles, and safetensors."""
    with file.open("rb") as stream:
        head = stream.read(9)
    if not (head.startswith((b"PK", b"\x80")) or (file.suffix == ".safetensors" and head[8:] == b"{")):
        raise UserError(f"{key}={file} holds no weights: give a checkpoint, a .pth or a .safetensors file")


def _holds_pictures(folder: Path) -> bool:
    """Return whether a folder has a picture at any depth. An unreadable folder is reported later, with its reason."""
    try:
        return next(walk(folder), None) is not None
    except InputError:
        return True


def _workers(key: str, workers: Any) -> None:
    most = _WORKERS_PER_CORE * (os.cpu_count() or 1)
    if isinstance(workers, int) and workers > most:
        raise UserError(f"{key}={workers} is too many for this machine's {os.cpu_count()} cores: give at most {most}")


def _devices(devices: Any, accelerator: str | None) -> None:
    """Check the number of processes, as far as possible without torch."""
    text = str(devices)
    numbers = list(devices) if OmegaConf.is_list(devices) else text.split(",") if "," in text else None
    if numbers is not None:
        if not numbers or not all(re.fullmatch(r"\d+", str(n).strip()) for n in numbers):
            raise UserError(f"trainer.devices={shown(devices)} is not allowed: list devices by number, such as [0,1]")
        return
    if text == "auto" or text == "-1":
        return
    if isinstance(devices, bool) or not re.fullmatch(r"\d+", text) or int(text) == 0:
        raise UserError(
            f"trainer.devices={text} is not allowed: give a whole number above 0, a list of devices or auto"
        )
    cores = os.cpu_count() or 1
    if accelerator == "cpu" and int(text) > cores:
        raise UserError(
            f"trainer.devices={text} asks for {text} processes on the CPU, but this machine has {cores} cores: give at most "
            f"{cores}"
        )


def _can_hold_outputs(folder: Path) -> None:
    if "${" in str(folder):
        raise UserError(
            f"logs={folder} cannot be used: Hydra reads ${{ in the name of a run's folder as a key; give another"
        )
    nearest = existing(folder)
    if not nearest.is_dir():
        raise UserError(
            f"logs={folder} cannot hold the outputs: {nearest} is not a folder; move it away or give logs=PATH"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"logs={folder} cannot hold the outputs: {nearest} is not writable; give logs=PATH")
