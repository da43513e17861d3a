"""Find the type of every key of a configuration, reading signatures without importing their modules."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

import adain
from adain.runtime import schema

_NAMES = {**vars(typing), **vars(schema)}


def types_of(command: str, config: DictConfig) -> dict[str, Any]:
    """Return the type of each dotted key that has one. Keys beside a ``_target_`` are arguments of that target."""
    types = dict(schema.KEYS[command])
    for key, value in walk_keys(config):
        if isinstance(value, dict) and isinstance(target := value.get("_target_"), str):
            types |= {f"{key}.{name}": kind for name, kind in signature(target).items()}
    for section in ("model", *schema.MODELS):  # make compare has two of them
        name = OmegaConf.select(config, f"{section}.name")
        if name in schema.MODELS:
            types |= {f"{section}.{key}": kind for key, kind in schema.MODELS[name].items()}
    return types


def list_keys(command: str) -> dict[str, bool]:
    """Return the keys of a command that take a list, and whether one alone may stand without it."""
    found = {}
    for key, kind in schema.KEYS[command].items():
        kinds = list(parts(kind))
        if any(typing.get_origin(one) is list for one in kinds):
            found[key] = any(one in (str, int, float, bool) for one in kinds)
    return found


def parts(kind: Any) -> Iterator[Any]:
    """Yield the type, and the types inside it if it is a union or annotated."""
    yield kind
    if getattr(kind, "__origin__", None) is None or hasattr(kind, "__metadata__") or "Union" in str(type(kind)):
        inner = [kind.__origin__] if hasattr(kind, "__metadata__") else typing.get_args(kind)
        for part in inner:
            if not isinstance(part, str | int | bool):
                yield from parts(part)


def walk_keys(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield every dotted key that a user can set and its plain value, a section before its keys.

    What only passes on another key's value, or Hydra's, is left out.
    """

    def visit(values: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in values.items():
            passed_on = isinstance(value, str) and ("${hydra:" in value or re.fullmatch(r"\$\{.*\}", value))
            if str(name).startswith("_") or passed_on:
                continue
            yield f"{prefix}{name}", value
            if isinstance(value, dict):
                yield from visit(value, f"{prefix}{name}.")

    yield from visit(cast("dict[Any, Any]", OmegaConf.to_container(config, resolve=False)), "")


@cache
def signature(target: str) -> dict[str, Any]:
    """Return the types of a dotted target's arguments, by name. Types unknown to ``schema`` and ``typing`` are left out."""
    if not target.startswith("adain."):
        return schema.TARGETS.get(target, {})
    node = _function(target)
    return {} if node is None else _arguments(node)


def takes(target: str, name: str) -> bool:
    """Return whether a target of ours takes an argument from a user. Other packages' targets are not looked into."""
    node = _function(target) if target.startswith("adain.") else None
    return node is None or name in signature(target)


def _function(target: str) -> ast.FunctionDef | None:
    """Return a function of ours, or a class's ``__init__``; None if it is inherited, or there is none."""
    module, _, name = target.removeprefix("adain.").rpartition(".")
    file = Path(adain.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(file.read_text()).body if file.is_file() else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            methods = (child for child in node.body if isinstance(child, ast.FunctionDef) and child.name == "__init__")
            return next(methods, None)
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    return None


def _arguments(node: ast.FunctionDef) -> dict[str, Any]:
    types = {}
    for argument in (*node.args.args, *node.args.kwonlyargs):
        if argument.annotation is not None and (kind := _evaluated(argument.annotation)) is not None:
            types[argument.arg] = kind
    rest = node.args.kwarg and node.args.kwarg.annotation
    if isinstance(rest, ast.Subscript):  # **pairs: Unpack[Pairs]
        types |= typing.get_type_hints(_evaluated(rest.slice), include_extras=True)
    return types


def _evaluated(annotation: ast.expr) -> Any:
    try:
        return eval(ast.unparse(annotation), dict(_NAMES))  # safe: it is this package's own source
    except (NameError, TypeError):  # a type that cannot come from a command line, such as a tensor
        return None
