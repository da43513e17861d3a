"""What a user typed, held against what is allowed. Only the standard library and OmegaConf are needed for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from adain.choices import (
    BenchKind,
    EncoderName,
    MethodName,
    Norm,
    Optimiser,
    PixelOptimiser,
    PreserveColor,
    Schedule,
    StyleMeasure,
    StyleReduction,
    Transfer,
)
from adain.errors import UserError
from adain.methods.interface import CAPABILITIES, require

_WORDS: dict[str, tuple[str, ...]] = {
    "method": get_args(MethodName),
    "method.style_reduction": get_args(StyleReduction),
    "method.transfer": get_args(Transfer),
    "method.norm": get_args(Norm),
    "method.measure": get_args(StyleMeasure),
    "gatys.measure": get_args(StyleMeasure),
    "losses.measure": get_args(StyleMeasure),
    "gatys.optimizer": get_args(PixelOptimiser),
    "optim.optimizer": get_args(Optimiser),
    "optim.schedule": get_args(Schedule),
    "encoder.name": get_args(EncoderName),
    "monitor.mode": ("min", "max"),
    "preserve_color": (*get_args(PreserveColor), "true", "false"),
    "format": ("png", "jpg", "jpeg", "webp"),
    "grid": ("alpha", "corners"),
    "pairing": ("auto", "all", "zip"),
    "bench": get_args(BenchKind),
}
_WORDS_OR_PATH: dict[str, tuple[str, ...]] = {
    "method.init": ("random", "least_squares", "reference"),
    "gatys.initial": ("content", "noise"),
    "ckpt": ("last", "best"),
    "compare_with": ("reference",),
    "decoder": ("latest", "best", "shipped", "reference"),
    "against": ("latest", "reference"),
}
_LEAST: dict[str, tuple[float, bool]] = {  # the least value, and whether it is itself allowed
    "optim.lr": (0, False),
    "optim.bias_lr": (0, False),
    "optim.lr_decay": (0, True),
    "optim.warmup_steps": (0, True),
    "method.content_weight": (0, True),
    "method.style_weight": (0, True),
    "method.tv_weight": (0, True),
    "method.identity_weight": (0, True),
    "method.start_pictures": (1, True),
    "method.start_patches": (100, True),
    "method.patch_size": (1, True),
    "method.stride": (1, True),
    "method.style_size": (16, True),
    "method.width": (1, True),
    "method.blocks": (1, True),
    "gatys.iterations": (1, True),
    "gatys.scales": (1, True),
    "gatys.content_weight": (0, True),
    "gatys.style_weight": (0, True),
    "gatys.tv_weight": (0, True),
    "gatys.lr": (0, False),
    "style_swap.patch_size": (1, True),
    "style_swap.stride": (1, True),
    "data.batch_size": (1, True),
    "data.crop": (16, True),
    "data.resize": (16, True),
    "data.flip": (0, True),
    "data.val_size": (16, True),
    "data.val_pairs": (1, True),
    "data.num_workers": (0, True),
    "data.count": (1, True),
    "data.buffer": (1, True),
    "data.max_pixels": (1, True),
    "trainer.max_steps": (1, True),
    "trainer.val_check_interval": (1, True),
    "alpha": (0, True),
    "max_pixels": (256, True),
    "cell": (16, True),
    "size": (32, True),
    "batch_size": (1, True),
    "bootstrap": (100, True),
    "page_pairs": (1, True),
    "repeats": (1, True),
    "gatys_iterations": (3, True),
    "speed.gatys_done": (3, True),
    "speed.gatys_iterations": (3, True),
    "losses.size": (32, True),
    "losses.styles": (1, True),
    "losses.contents": (1, True),
    "pictures.size": (32, True),
    "pictures.rows": (1, True),
    "ablations.size": (32, True),
    "ablations.styles": (1, True),
    "ablations.contents": (1, True),
    "ablations.rows": (1, True),
    "start_pictures": (1, True),
    "start_patches": (100, True),
    "steps.style_swap": (1, True),
    "steps.texture_network": (1, True),
    "steps.ablations": (1, True),
    "steps": (1, True),
    "pictures": (1, True),
    "least_seconds": (0, True),
    "workers": (0, True),
}
_MOST: dict[str, float] = {"data.flip": 1, "alpha": 1}
_FILES = ("method.style",)
# 2, [0,1] or auto; one folder or a list; a word or a list; a number or a file
_SEVERAL_TYPES = ("trainer.devices", "data.content", "data.style", "metrics", "pairs", "checkpoints.texture_network")


def check(config: DictConfig, overrides: list[str], default: Callable[[], DictConfig]) -> None:
    """Checks a composed configuration.

    Args:
        config: What the overrides make.
        overrides: As typed.
        default: Composes the same groups without changed values; its values say which types are meant.

    Raises:
        UserError: At the first value that is missing, of another type, or not allowed.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{' and '.join(missing)} must be given: for example {missing[0]}=PATH")
    typed = {match[1]: match[2] for o in overrides if (match := re.match(r"\+{0,2}([\w.]+)=(.*)", o, re.S))}
    reference = default() if typed else config
    for key in typed:
        _same_type(key, OmegaConf.select(config, key), OmegaConf.select(reference, key, throw_on_missing=False))
    for key, words in _WORDS.items():
        if not OmegaConf.is_config(value := OmegaConf.select(config, key)):
            _one_of(key, value, words)
    for key, words in _WORDS_OR_PATH.items():
        value = OmegaConf.select(config, key)
        if value is not None and value not in words and not Path(str(value)).expanduser().exists():
            hint = _near(str(value), words)
            raise UserError(f"{key}={value} is neither {', '.join(words)} nor an existing file{hint}")
    for key, (least, allowed) in _LEAST.items():
        value = OmegaConf.select(config, key)
        if isinstance(value, int | float) and not (value > least or (value == least and allowed)):
            raise UserError(f"{key}={value} is too small: give {'at least' if allowed else 'more than'} {least}")
    for key in _FILES:
        value = OmegaConf.select(config, key)
        if value is not None and not Path(str(value)).expanduser().is_file():
            raise UserError(f"{key}={value} is no file: give a picture")
    for section in ("method", "style_swap"):
        size, stride = (OmegaConf.select(config, f"{section}.{key}") for key in ("patch_size", "stride"))
        if size is not None and stride is not None and stride > size:
            raise UserError(f"{section}.stride={stride} leaves places out: give at most {section}.patch_size={size}")
    for key, most in _MOST.items():
        value = OmegaConf.select(config, key)
        beyond = OmegaConf.select(config, "extrapolate") if key == "alpha" else None
        if isinstance(value, int | float) and value > most and not beyond:
            advice = ", or set extrapolate=true as well" if beyond is False else ""
            raise UserError(f"{key}={value} is too large: give at most {most}{advice}")


def check_recipe(config: DictConfig, chosen: dict[str, str], conf: Path, overrides: list[str]) -> None:
    """Refuses a recipe made for another method: it sets keys that the chosen one does not have.

    Args:
        config: What the overrides make.
        chosen: The file chosen of each group.
        conf: The folder of the configuration.
        overrides: As typed: a key with a plus before it is meant.

    Raises:
        UserError: With the recipes of the chosen method.
    """
    if not OmegaConf.is_config(config.get("method")) or "experiment" not in chosen:
        return
    name: str | None = chosen["method"]
    own = {o.lstrip("+").partition("=")[0] for o in overrides if o.startswith("+")}
    while name is not None:
        file: Any = OmegaConf.load(conf / "method" / f"{name}.yaml")
        own |= {f"method.{key}" for key in file}
        name = next((base for base in file.get("defaults", []) if base != "_self_"), None)
    if extra := sorted({f"method.{key}" for key in config.method} - own):
        raise UserError(
            f"experiment={chosen['experiment']} sets {extra[0]}, which method={chosen['method']} does not have: use "
            f"experiment={chosen['method']}, or another recipe"
        )


def _same_type(key: str, value: Any, meant: Any) -> None:
    if key in _SEVERAL_TYPES:
        return
    if isinstance(meant, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(meant, int):
        fits, kind = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(meant, float):
        fits, kind = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif OmegaConf.is_list(meant):
        fits, kind = OmegaConf.is_list(value), "a list"
    elif isinstance(meant, str):
        fits, kind = isinstance(value, str | int | float) or value is None, "a word"
    else:
        return
    if not fits:
        raise UserError(f"{key}={_shown(value)} is of the wrong type: give {kind}, such as {key}={_shown(meant)}")


def _shown(value: Any) -> str:
    if OmegaConf.is_list(value):
        return str(list(value)).replace(" ", "")
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_of(key: str, value: Any, words: tuple[str, ...]) -> None:
    if value is not None and _shown(value) not in words:
        raise UserError(
            f"{key}={_shown(value)} is not allowed{_near(str(value), words)}; choose one of {', '.join(words)}"
        )


def explain(error: Exception, overrides: list[str], default: Callable[[], DictConfig]) -> str:
    """Hydra's error as one sentence, with the nearest right names.

    Args:
        error: What Hydra or OmegaConf raised while composing.
        overrides: As typed.
        default: Composes the configuration without overrides, to know its keys.
    """
    text = str(error)
    if match := re.search(
        r"Could not find '([^']+)'.*?Available options in '[^']+':\s*(.*?)(?:Config search|$)", text, re.S
    ):
        group, _, given = match[1].rpartition("/")
        options = match[2].split()
        if group == "method" and given in CAPABILITIES:
            try:
                require(given, "trained")
            except UserError as answer:
                return str(answer)
        return f"{group}={given} does not exist{_near(given, options)}; choose one of {', '.join(sorted(options))}"
    if match := re.search(r"An item is already at '([^']+)'", text):
        return f"{match[1]} is there already: leave the + out"
    if match := re.search(
        r"Could not (?:override|append to config|delete from config)\.? '?(?:group )?'?([\w./@]+)'?", text
    ):
        key = match[1]
        if key in ("data.content", "data.style", "data.held_out"):
            return f"the data chosen has no key {key}: add data=folders"
        keys = _keys(default())
        advice = _near(key, keys) or _near(key.rpartition(".")[2], [k for k in keys if "." not in k])
        return f"there is no key {key}{advice}; add a new one with +{key}=VALUE"
    if match := re.search(r"Key '([^']+)' (?:is )?not in", text):
        return f"there is no key {match[1]}{_near(match[1], _keys(default()))}"
    if "Config group override must be" in text:
        word = next((o for o in overrides if o.startswith("=") or o.endswith("=null")), " ".join(overrides))
        return f"{word} names no choice: give group=NAME, or leave it out"
    if match := re.search(r"Ambiguous value for argument '(.+)'", text):
        return f"{match[1]} gives several values: give one, [a,b] for a list, or --multirun to run one after another"
    if match := re.search(r"Multiple values for ([\w/]+)", text):
        return f"{match[1]} has a choice already: leave the + out"
    if type(error).__name__ == "InstantiationException" and error.__cause__ is not None:
        return f"{text.splitlines()[0].rstrip(':')}: {str(error.__cause__).splitlines()[0]}"
    first = text.splitlines()[0] if text else type(error).__name__
    if type(error).__name__ == "OverrideParseException":
        word = next((o for o in overrides if o in text), " ".join(overrides))
        return f"{word} cannot be read as key=value ({first}): quote values that hold spaces, commas or brackets"
    return first


def _keys(config: DictConfig) -> list[str]:
    """Every key of a configuration, dotted, and its groups."""
    found: list[str] = []

    def visit(node: Any, prefix: str) -> None:
        for name in node:
            key = f"{prefix}{name}"
            if str(name).startswith("_"):
                continue
            found.append(key)
            child = node._get_node(name)
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
                visit(child, f"{key}.")

    visit(config, "")
    return [*found, "experiment", "callbacks"]


def _near(word: str, words: list[str] | tuple[str, ...]) -> str:
    """`` (did you mean a or b?)``, or nothing. A last part that matches exactly comes first."""
    tail = word.rpartition(".")[2]
    close = [w for w in words if w.rpartition(".")[2] == tail and w != word]
    close += [w for w in difflib.get_close_matches(word, words, 3, 0.6) if w not in close]
    return f" (did you mean {' or '.join(close[:3])}?)" if close else ""
