"""Quote file names for Hydra's override grammar."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException

_QUOTES = re.compile(r"'.*'|\".*\"", re.S)
_CHOICE = re.compile(r"\w+\(.*\)", re.S)
_PARTS = re.compile(r"\[[^\]]*\]|'[^']*'|\"[^\"]*\"|[^,]+")


FILE_KEYS = frozenset({
    "content", "style", "styles", "masks", "decoder", "out", "outputs", "pairs", "against", "compare", "reference", "training",
    "logs", "ckpt", "compare_with", "model.init", "model.style", "encoder.weights", "decoders",
    "data.content", "data.style", "data.held_out", "data.manifest",
    "model.initial", "benchmark.pictures",
    *(f"weights.{name}" for name in (
        "lpips_alexnet", "lpips_vgg16", "inception_fid", "art_inception", "vgg19_torchvision", "inception_torchvision")),
    *(f"checkpoints.{name}" for name in (
        "adain", "style_swap", "texture_network", "baseline", "concat", "bn_decoder", "in_decoder")),
    *(f"recipes.{name}" for name in ("style_swap", "texture_network", "normalization", "ablations", "controls")),
})  # fmt: skip
"""The keys of all commands whose values are file names, or overrides that may hold some."""


def quote(value: str) -> str:
    """Return a text in Hydra's quotes that is read back literally: ``${`` starts no interpolation.

    Hydra treats a backslash as an escape only before a quote, OmegaConf only before ``${``.
    """
    value = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value) + "'"


def unquoted(value: str) -> str:
    """Return the file name that ``quote`` was given; an unquoted one is returned unchanged."""
    if not _QUOTES.fullmatch(value):
        return value
    text = OverridesParser.create().parse_override(f"key={value}").value()
    return re.sub(r"\\(\\*\$\{)", r"\1", text.text if isinstance(text, QuotedString) else str(text))


def quoted(argument: str, many: bool = False) -> str:
    """Return an override in which the file names of ``FILE_KEYS`` are quoted, so that Hydra reads any character literally.

    Other keys' values, ``null`` and values that are already quoted stay as they are. Each name of a list is quoted,
    unless a file of that very name (brackets included) exists.

    Args:
        argument: ``key=value``, as typed.
        many: Whether this is a multirun: commas separate values, and ``choice(...)`` is left to Hydra.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in FILE_KEYS:
        return argument
    if not many:
        return f"{key}={_value(key, value)}"
    if _CHOICE.fullmatch(value):
        return argument
    return f"{key}={','.join(_value(key, part) for part in _PARTS.findall(value))}"


def split_names(value: str) -> list[str]:
    """Return the file names of a list without brackets. A comma inside the name of a file that exists splits nothing."""
    parts, names = value.split(","), []
    while parts:
        joined = (n for n in range(len(parts), 1, -1) if os.path.exists(os.path.expanduser(",".join(parts[:n]))))
        count = next(joined, 1)
        names.append(",".join(parts[:count]))
        parts = parts[count:]
    return names


def _value(key: str, value: str) -> str:
    if value in ("", "null") or _QUOTES.fullmatch(value):
        return value
    if value.startswith("[") and value.endswith("]") and not Path(value).exists():
        names = _names(key, value)
        return f"[{','.join(map(quote, names))}]" if names else value
    return quote(value)


def _names(key: str, value: str) -> list[str] | None:
    """Return the names of a list, or None if it is not one; Hydra then reports what is wrong with it."""
    words = [word.strip() for word in value[1:-1].split(",")]
    try:
        given = OverridesParser.create().parse_override(f"{key}={value}").value()
    except HydraException:  # its grammar has no ~, ( or ' inside a word; split at commas unless words are quoted
        given = None if any(word[:1] in ("'", '"', "[", "") for word in words) else words
    if not isinstance(given, list) or not all(isinstance(name, str | int | QuotedString) for name in given):
        return None
    return [name.text if isinstance(name, QuotedString) else str(name) for name in given]
