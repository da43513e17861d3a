"""Text in Hydra's grammar of overrides."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException

_QUOTES = re.compile(r"'.*'|\".*\"", re.S)
_CHOICE = re.compile(r"\w+\(.*\)", re.S)
_PARTS = re.compile(r"\[[^\]]*\]|'[^']*'|\"[^\"]*\"|[^,]+")


def quote(value: str) -> str:
    """A text in Hydra's quotes, taken as it is: ``${`` is no interpolation.

    Hydra takes a backslash for itself only before a quote, OmegaConf only before ``${``.
    """
    value = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value) + "'"


def unquoted(value: str) -> str:
    """A file name as it was before ``quote``, or as it was typed."""
    if not _QUOTES.fullmatch(value):
        return value
    text = OverridesParser.create().parse_override(f"key={value}").value()
    return re.sub(r"\\(\\*\$\{)", r"\1", text.text if isinstance(text, QuotedString) else str(text))


def quoted(argument: str, paths: tuple[str, ...], many: bool = False) -> str:
    """An override as Hydra is to read it: file names are quoted, whatever is in them; other values stay as they are.

    ``null`` and whole quotes stay. A list stays one, each name in it quoted; a file that is called like a list is a file.

    Args:
        argument: ``key=value``, as typed.
        paths: The keys whose values are file names.
        many: Whether commas separate values of a multirun, and ``choice(...)`` is Hydra's.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in paths:
        return argument
    if not many:
        return f"{key}={_value(key, value)}"
    if _CHOICE.fullmatch(value):
        return argument
    return f"{key}={','.join(_value(key, part) for part in _PARTS.findall(value))}"


def _value(key: str, value: str) -> str:
    if value in ("", "null") or _QUOTES.fullmatch(value):
        return value
    if value.startswith("[") and value.endswith("]") and not Path(value).exists():
        names = _names(key, value)
        return f"[{','.join(map(quote, names))}]" if names else value
    return quote(value)


def _names(key: str, value: str) -> list[str] | None:
    """The names of a list, or None where it is not one: Hydra then says what is wrong with it."""
    words = [word.strip() for word in value[1:-1].split(",")]
    try:
        given = OverridesParser.create().parse_override(f"{key}={value}").value()
    except HydraException:  # ~, ( and ' within a word are not in its grammar; without quoted words, commas separate
        given = None if any(word[:1] in ("'", '"', "[", "") for word in words) else words
    if not isinstance(given, list) or not all(isinstance(name, str | int | QuotedString) for name in given):
        return None
    return [name.text if isinstance(name, QuotedString) else str(name) for name in given]
