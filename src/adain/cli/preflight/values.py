"""Check what a user typed against the type of each key, without importing torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from adain.cli.preflight.explain import is_used, near, public_keys, shown
from adain.cli.preflight.strategy import check_strategy
from adain.cli.preflight.training import check_training
from adain.cli.preflight.types import parts, types_of, walk_keys
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.runtime.quoting import FILE_KEYS
from adain.runtime.schema import IsFile, OrPath

_NOWHERE = object()
_KINDS = {  # pydantic's error types, and what was expected
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "a word",
}
_MANY = {"a whole number": "whole numbers", "a number": "numbers", "true or false": "true or false", "a word": "words"}


def check(command: str, config: DictConfig, overrides: list[str], default: Callable[[], DictConfig]) -> None:
    """Check a composed configuration.

    Args:
        command: Name of its primary configuration.
        config: The composed configuration.
        overrides: The overrides as typed.
        default: Composes the same groups without changed values, for examples and the list of keys.

    Raises:
        UserError: If a value is missing, of the wrong type or not allowed, or a key unknown. The message is about the
            first.
    """
    typed = {match[1]: match[2] for o in overrides if (match := re.match(r"\+{0,2}([\w.]+)=(.*)", o, re.S))}
    reference = default() if typed else config
    _check_sections(config, reference, typed)
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{' and '.join(missing)} must be given: for example {missing[0]}=PATH")
    _check_empty(config, typed)
    for key in _added(overrides):
        if OmegaConf.select(reference, key, default=_NOWHERE) is _NOWHERE and not (
            is_used(reference, key)
            or (key.partition(".")[0] in reference and is_used(config, key))  # a key of an added callback
        ):
            hint = near(key, public_keys(reference))
            listed = f"make help {command.replace('_', '-')}"
            raise UserError(f"unknown key +{key}{hint}: leave it out, or see {listed}")
    types = types_of(command, config)
    for key, kind in types.items():
        value = OmegaConf.select(config, key, default=_NOWHERE)
        if value is not _NOWHERE:
            example = OmegaConf.select(reference, key, throw_on_missing=False)
            check_value(key, value, kind, example, not OmegaConf.select(config, "extrapolate"), typed.get(key))
    for key in typed:
        if key not in types:  # an argument of another package: expect the type of its default
            example = OmegaConf.select(reference, key, throw_on_missing=False)
            if isinstance(example, bool | int | float | str) or OmegaConf.is_list(example):
                kind = list[Any] if OmegaConf.is_list(example) else type(example)
                check_value(key, OmegaConf.select(config, key), kind | None, example)
    check_training(config)
    if "trainer" in config:
        check_strategy(config)


def _check_sections(config: DictConfig, reference: DictConfig, typed: Mapping[str, str]) -> None:
    """Refuse one value for a section of keys: OmegaConf would read its keys as if they had not been given."""
    for key, text in typed.items():
        section: Any = OmegaConf.select(reference, key, throw_on_missing=False)
        if (
            not OmegaConf.is_dict(section)
            or OmegaConf.is_dict(OmegaConf.select(config, key))
            or key == "trainer.strategy"
        ):
            continue  # check_strategy says how a strategy is chosen
        such = next((f", such as {key}.{name}=..." for name, _ in walk_keys(section)), "")
        leave = f", or ~{key} to leave it out" if key.startswith(("callbacks.", "logger.")) else ""
        raise UserError(f"{key}={text} is given for a section: give its keys{such}{leave}")


def _check_empty(config: DictConfig, typed: Mapping[str, str]) -> None:
    """Refuse a path that is empty, as that of an unset variable of the shell: it would mean the folder where you type."""
    for key, text in typed.items():
        if key in FILE_KEYS and key != "ckpt" and text.strip("'\"") == "":
            raise UserError(f"{key}= is empty: give a path, or leave it out")
    if config.get("logs", "") is None:
        raise UserError("logs=null cannot be used: give a folder")


def _added(overrides: list[str]) -> list[str]:
    """Return the keys typed with + or ++, except Hydra's own."""
    keys = [match[1] for word in overrides if (match := re.match(r"\+{1,2}([\w.]+)=", word))]
    return [key for key in keys if not key.startswith("hydra.")]


def check_value(
    key: str, value: Any, kind: Any, example: Any = None, bounded: bool = True, typed: str | None = None
) -> None:
    """Check a value against a type.

    Args:
        key: The value's key.
        value: The value from OmegaConf.
        kind: A type, with the bounds and marks of ``schema``.
        example: A valid value, for the message.
        bounded: Whether ``alpha`` must be at most 1.
        typed: What was typed, for the message: 1e4 is read as 10000.0.

    Raises:
        UserError: If the value does not fit.
    """
    plain: Any = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    marks = [mark for part in parts(kind) for mark in getattr(part, "__metadata__", ())]
    for mark in marks:
        if isinstance(mark, OrPath) and plain is not None:
            if plain not in mark.words and not expanded(str(plain)).exists():
                hint = near(str(plain), mark.words)
                raise UserError(f"{key}={plain} is neither {', '.join(mark.words)} nor an existing file{hint}")
            return
        if isinstance(mark, IsFile) and plain is not None and not expanded(str(plain)).is_file():
            raise UserError(f"{key}={plain} is not a file: give a picture")
    if plain is None and any(part is str for part in parts(kind)):
        return  # a path or name that is not given: the command says if it needs one
    text = typed if typed and isinstance(plain, float) else shown(value)
    try:
        _validate(plain, kind)
    except ValidationError as error:
        raise UserError(_sentence(key, text, error, kind, example)) from None
    if math.inf in (plain if isinstance(plain, list) else [plain]):
        raise UserError(f"{key}={text} is too large: give a finite number")
    if key == "alpha" and bounded and plain > 1:
        raise UserError(f"alpha={text} is too large: give at most 1, or set extrapolate=true as well")


def _validate(value: Any, kind: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        adapter.validate_json(_json(value), strict=True)  # strict JSON: lists pass as tuples, texts not as numbers
    except ValidationError:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise
        try:
            adapter.validate_json(_json(str(value)), strict=True)  # a name that looks like a number
        except ValidationError:
            adapter.validate_json(_json(value), strict=True)  # raises the clearer error


def _json(value: Any) -> bytes:
    """Return a value as JSON, with ``?`` for what is not Unicode in a file name: JSON cannot hold it."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _sentence(key: str, text: str, error: ValidationError, kind: Any, example: Any) -> str:
    errors = error.errors(include_url=False)
    inside = [e for e in errors if e["loc"] and isinstance(e["loc"][-1], int)]
    for detail in errors:
        limits = detail.get("ctx") or {}
        if detail in inside or detail["type"] in ("too_short", "too_long", "missing"):
            continue
        if detail["type"] in ("greater_than_equal", "greater_than"):
            word, least = ("at least", limits["ge"]) if "ge" in limits else ("more than", limits["gt"])
            fault = "not a number" if math.isnan(detail["input"]) else "too small"
            return f"{key}={text} is {fault}: give {word} {int(least)}"
        if detail["type"] in ("less_than_equal", "less_than"):
            return f"{key}={text} is too large: give at most {int(limits['le'] if 'le' in limits else limits['lt'])}"
    words = _words(kind)
    if words and not inside:
        return f"{key}={text} is not allowed{near(text, words)}; choose one of {', '.join(words)}"
    such = "" if example is None else f", such as {shown(example)}"
    if errors[0]["type"] == "too_short":
        return f"{key}={text} is too short: give at least {errors[0]['ctx']['min_length']}{such}"
    if errors[0]["type"] in ("missing", "too_long"):  # of a tuple
        return f"{key}={text} has too {'few' if errors[0]['type'] == 'missing' else 'many'} values: give a list{such}"
    if inside:
        wrong, limits = _KINDS.get(inside[0]["type"]), inside[0].get("ctx") or {}
        element = next(get_args(part)[0] for part in parts(kind) if get_origin(part) in (list, Sequence, tuple))
        if not words and (elements := _words(element)):
            return f"{key}={text} must be a list out of {', '.join(elements)}"
        if "ge" in limits and int in parts(element):
            return f"{key}={text} must be whole numbers of at least {limits['ge']}{such}"
        advice = f"give a list of {_MANY[wrong]}" if wrong in _MANY else _lowered(inside[0]["msg"])
        return f"{key}={text} is not allowed: {advice}{such}"
    kinds = list(dict.fromkeys(_KINDS[detail["type"]] for detail in errors if detail["type"] in _KINDS))
    if kinds:
        such = "" if example is None else f", such as {key}={shown(example)}"
        return f"{key}={text} is of the wrong type: give {' or '.join(kinds)}{such}"
    return f"{key}={text} is not allowed: {_lowered(errors[0]['msg'])}{such}"


def _words(kind: Any) -> list[str]:
    """Return the words that may be typed."""
    return [str(word) for part in parts(kind) for word in get_args(part) if isinstance(word, str)]


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
