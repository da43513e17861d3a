"""Check the keys of ``make bench`` before torch is imported."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from adain.evaluation.speed.checkout import check_reference
from adain.runtime.errors import UserError

_PRECISIONS = ("32-true", "bf16-mixed")
_FORMATS = ("channels_first", "channels_last")


def check_benchmark(config: DictConfig) -> None:
    """Check lists and folders.

    Raises:
        UserError: At the first mistake.
    """
    for key, least in (("sizes", 16), ("stylize_sizes", 16), ("batch_sizes", 1)):
        if not config[key] or any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in config[key]):
            raise UserError(f"{key}={list(config[key])} must be whole numbers of at least {least}, such as {key}=256")
    for key, words in (("precisions", _PRECISIONS), ("memory_formats", _FORMATS), ("compile", (True, False))):
        if config[key] is None and key != "compile":
            continue
        if not OmegaConf.is_list(config[key]) or not config[key] or any(v not in words for v in config[key]):
            shown = list(config[key]) if OmegaConf.is_list(config[key]) else config[key]
            allowed = ", ".join(str(word).lower() if key == "compile" else str(word) for word in words)
            raise UserError(f"{key}={shown} must be a list out of {allowed}")
    if config.model.name != "adain" and (config.bench != "stylize" or config.reference is not None):
        raise UserError(
            f"model={config.model.name} is measured by bench=stylize without reference=: give these, or model=adain"
        )
    if config.reference is not None:
        check_reference(config.reference)
    for key in ("content", "style"):
        if config[key] is not None and not Path(config[key]).expanduser().is_dir():
            raise UserError(f"{key}={config[key]} is no folder: give a folder of pictures")
