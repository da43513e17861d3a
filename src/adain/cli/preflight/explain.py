"""Explain errors of Hydra and OmegaConf in the user's words, with the closest valid names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from adain.cli.preflight.types import takes, walk_keys
from adain.methods.interface import CAPABILITIES, require
from adain.runtime.errors import InputError
from adain.runtime.schema import MODELS, RENAMED

_MOST_KEYS = 40  # a message lists no more than this


def explain(error: Exception, overrides: list[str], default: Callable[[], DictConfig]) -> str:
    """Return one sentence that explains an error, with the closest valid names.

    Args:
        error: The error that Hydra or OmegaConf raised while composing.
        overrides: The overrides as typed.
        default: Composes the configuration without changed values, to list its keys.
    """
    text = str(error)
    if match := re.search(
        r"Could not find '([^']+)'.*?Available options in '[^']+':\s*(.*?)(?:Config search|$)", text, re.S
    ):
        group, _, given = match[1].rpartition("/")
        options = match[2].split()
        if group == "model" and "gatys" in options:  # an inference command: leave out training's recipes
            options = list(MODELS)
        elif group == "model" and given in CAPABILITIES:
            try:
                require(given, "trained")
            except InputError as answer:
                return f"model={answer}, or make stylize model={given}"
        return f"{group}={given} does not exist{near(given, options)}; choose one of {', '.join(sorted(options))}"
    if match := re.search(r"An item is already at '([^']+)'", text):
        return f"{match[1]} exists already: leave out the +"
    if match := re.search(
        r"Could not (?:override|append to config|delete from config)\.? '?(?:group )?'?([\w./@]+)'?", text
    ):
        key = match[1]
        if key in ("data.content", "data.style", "data.held_out"):
            return f"this data has no key {key}: add data=folders"
        group, dot, rest = key.partition(".")
        if group in RENAMED:
            return f"{key} is now called {RENAMED[group]}{dot}{rest}: use that name"
        if rest and group in CAPABILITIES:
            return f"unknown key {key}: type model={group} model.{rest}=VALUE"
        having = [name for name, keys in MODELS.items() if group == "model" and rest in keys]
        if having and OmegaConf.select(default(), "model.name"):
            return f"this model has no key {key}: add model={having[0]}"
        if key == "resume":
            return "resume= continues a sweep (make sweep resume=latest); to continue a run, use ckpt=last"
        config = default()
        keys = public_keys(config)
        advice = near(key, keys) or near(key.rpartition(".")[2], [k for k in keys if "." not in k])
        if not advice and is_used(config, key):
            advice = f"; add a new one with +{key}=VALUE"
        return f"unknown key {key}{advice or _some(config)}"
    if match := re.search(r"Key '([^']+)' (?:is )?not in", text):
        return f"unknown key {match[1]}{near(match[1], public_keys(default()))}"
    if "Config group override must be" in text:
        word = next((o for o in overrides if o.startswith("=") or o.endswith("=null")), " ".join(overrides))
        return f"{word} is not a valid choice: give group=NAME, or leave it out"
    if match := re.search(r"Ambiguous value for argument '(.+)'", text):
        sweep = ", or use make sweep to train with each of them" if "trainer" in default() else ""
        point = re.fullmatch(r"[^=]+=(-?\d+),(\d+)", match[1])
        decimal = f", {point[1]}.{point[2]} for a decimal" if point else ""
        return f"{match[1]} gives several values: give one{decimal}, 'KEY=[A,B]' in quotes for a list{sweep}"
    if match := re.search(r"Multiple values for ([\w/]+)", text):
        return f"{match[1]} has a choice already: leave out the +"
    if type(error).__name__ == "InstantiationException" and error.__cause__ is not None:
        return f"{text.splitlines()[0].rstrip(':')}: {str(error.__cause__).splitlines()[0]}"
    first = text.splitlines()[0] if text else type(error).__name__
    if type(error).__name__ == "OverrideParseException":
        return _unreadable(overrides)
    return first


def _unreadable(overrides: list[str]) -> str:
    """Return a sentence about the first override that Hydra's grammar does not take."""
    parser = OverridesParser.create()
    for word in overrides:
        try:
            parser.parse_override(word)
        except HydraException:
            break
    key, equals, value = word.partition("=")
    if not key or not equals:
        return f"{word} cannot be read: type a key and its value, such as seed=2"
    if value.startswith("["):
        return f"{word} cannot be read: type a list as '{key}=[A,B]'"
    if value.endswith(","):
        return f"{word} cannot be read: leave out the comma at its end"
    advice = f"\"{key}='{value}'\"" if "'" not in value else f"{key}='VALUE'"
    return f"{word} cannot be read: give a text with spaces, commas or brackets quotes of its own, as in {advice}"


def public_keys(config: DictConfig) -> list[str]:
    """Return every dotted key of a configuration that ``--help`` lists, and the groups that it can add."""
    return [*(key for key, _ in walk_keys(config)), "experiment", "callbacks"]


def is_used(config: DictConfig, key: str) -> bool:
    """Return whether a new key would be used, because it lies below a ``_target_`` that takes it as an argument."""
    parent, _, name = key.rpartition(".")
    while parent:
        node = OmegaConf.select(config, parent, throw_on_missing=False)
        if isinstance(node, DictConfig) and "_target_" in node:
            return takes(str(node["_target_"]), name)
        parent, _, name = parent.rpartition(".")
    return False


def _some(config: DictConfig) -> str:
    """Return a list of the command's keys for a message, unless there are too many."""
    names = [str(name) for name in config]
    return f"; the keys are {', '.join(names)}" if len(names) <= _MOST_KEYS else ""


def near(word: str, words: list[str] | tuple[str, ...]) -> str:
    """Return `` (did you mean a or b?)``, or an empty text. Keys whose last part matches exactly come first."""
    tail = word.rpartition(".")[2]
    close = [w for w in words if w.rpartition(".")[2] == tail and w != word]
    by_lower = {w.lower(): w for w in reversed(words)}
    matches = difflib.get_close_matches(word.lower(), by_lower, 3, 0.6)
    # short words match too easily: bmp is not close to mp4
    matches = [w for w in matches if len(word) > 3 or w[0] == word[0].lower()]
    close += [by_lower[w] for w in matches if by_lower[w] not in close]
    if not close:  # steps is near to trainer.max_steps by its last part alone
        tails = {w.rpartition(".")[2].lower(): w for w in reversed(words) if "." in w}
        close = [tails[w] for w in difflib.get_close_matches(tail.lower(), tails, 3, 0.7)]
    return f" (did you mean {' or '.join(close[:3])}?)" if close else ""


def shown(value: Any) -> str:
    """Return a value as a user would type it."""
    if OmegaConf.is_list(value):
        return f"[{','.join(map(shown, value))}]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
