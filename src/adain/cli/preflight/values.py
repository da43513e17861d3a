"""What a user typed, held against what is allowed. Only the standard library and OmegaConf are needed for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from adain.cli.preflight.allowed import Allowed, allowed
from adain.cli.preflight.explain import is_used, near, shown
from adain.cli.preflight.strategy import check_strategy
from adain.cli.preflight.training import check_training
from adain.runtime.errors import UserError

_NOWHERE = object()


def check(command: str, config: DictConfig, overrides: list[str], default: Callable[[], DictConfig]) -> None:
    """Checks a composed configuration.

    Args:
        command: Name of its primary configuration.
        config: What the overrides make.
        overrides: As typed.
        default: Composes the same groups without changed values; its values say which types are meant.

    Raises:
        UserError: At the first value that is missing, of another type, or not allowed.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{' and '.join(missing)} must be given: for example {missing[0]}=PATH")
    rules = allowed(command)
    typed = {match[1]: match[2] for o in overrides if (match := re.match(r"\+{0,2}([\w.]+)=(.*)", o, re.S))}
    reference = default() if typed else config
    for key in _added(overrides):
        if OmegaConf.select(reference, key, default=_NOWHERE) is _NOWHERE and not (
            is_used(reference, key)
            or (key.partition(".")[0] in reference and is_used(config, key))  # of a callback that is added too
        ):
            hint = near(key, [str(name) for name in reference])
            raise UserError(f"+{key}: nobody reads a key {key}{hint}; leave it out, or see conf/{command}.yaml")
    for key in typed:
        if not any(key in rule.several_types for rule in rules):
            _same_type(key, OmegaConf.select(config, key), OmegaConf.select(reference, key, throw_on_missing=False))
    for rule in rules:
        _words(config, rule)
        _ranges(config, rule)
    check_training(config)
    if "trainer" in config:
        check_strategy(config)


def _added(overrides: list[str]) -> list[str]:
    """Keys typed with + or ++, Hydra's own aside."""
    found = [match[1] for word in overrides if (match := re.match(r"\+{1,2}([\w.]+)=", word))]
    return [key for key in found if not key.startswith("hydra.")]


def _words(config: DictConfig, rule: Allowed) -> None:
    for key, words in rule.words.items():
        value = OmegaConf.select(config, key)
        if value is not None and not OmegaConf.is_config(value) and shown(value) not in words:
            hint = near(str(value), words)
            raise UserError(f"{key}={shown(value)} is not allowed{hint}; choose one of {', '.join(words)}")
    for key, words in rule.words_or_path.items():
        value = OmegaConf.select(config, key)
        if value is not None and value not in words and not Path(str(value)).expanduser().exists():
            hint = near(str(value), words)
            raise UserError(f"{key}={value} is neither {', '.join(words)} nor an existing file{hint}")
    for key in rule.files:
        value = OmegaConf.select(config, key)
        if value is not None and not Path(str(value)).expanduser().is_file():
            raise UserError(f"{key}={value} is no file: give a picture")


def _ranges(config: DictConfig, rule: Allowed) -> None:
    for limits, reached in ((rule.above, False), (rule.least, True)):
        for key, least in limits.items():
            value = OmegaConf.select(config, key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise UserError(f"{key}={shown(value)} is of the wrong type: give a number")
            if isinstance(value, int | float) and not (value > least or (value == least and reached)):
                raise UserError(f"{key}={value} is too small: give {'at least' if reached else 'more than'} {least}")
            if value == math.inf:
                raise UserError(f"{key}={value} is too large: give a finite number")
    for key, most in rule.most.items():
        value = OmegaConf.select(config, key)
        beyond = OmegaConf.select(config, "extrapolate") if key == "alpha" else None
        if isinstance(value, int | float) and value > most and not beyond:
            advice = ", or set extrapolate=true as well" if beyond is False else ""
            raise UserError(f"{key}={value} is too large: give at most {most}{advice}")


def _same_type(key: str, value: Any, meant: Any) -> None:
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
        raise UserError(f"{key}={shown(value)} is of the wrong type: give {kind}, such as {key}={shown(meant)}")
