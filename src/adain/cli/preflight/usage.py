"""Write ``--help``: a command's keys as typed, with their values and the comments of their configuration files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from adain.cli.preflight.compose import compose_config, is_group
from adain.cli.preflight.explain import shown
from adain.cli.preflight.types import walk_keys
from adain.runtime.conf import group_choices, group_file, root_of

_COLUMN = 32  # where comments start
_KEY = re.compile(r"(?P<indent> *)(?P<name>[\w]+):[^#]*?(?:\s# ?(?P<comment>.*))?$")
_MORE = re.compile(r" +# ?(?P<comment>.*)$")
_OWN = re.compile(r"^(?:defaults|hydra):\n(?: .*\n|\n)*", re.M)


def usage(config: str, overrides: list[str], head: str | None = None) -> str:
    """Return the text of ``--help``, for the recipe, the model and the other choices typed with it.

    Args:
        config: Name of the command's primary configuration.
        overrides: The overrides as typed. Only choices of groups count.
        head: First lines; by default the first line of the configuration file.
    """
    composed = compose_config(config, [word for word in overrides if is_group(config, word)])
    text = (root_of(config) / f"{config}.yaml").read_text()
    chosen = {
        group: str(name)
        for group, name in reversed(HydraConfig.get().runtime.choices.items())
        if name and not group.startswith("hydra/")
    }
    comments: dict[str, str] = {}
    for group, name in chosen.items():
        folder, _, package = group.partition("@")
        if (file := group_file(config, folder, name)) is not None:
            comments |= _of_file(file, package)
    comments |= _comments(text)
    lines = [text.partition("\n")[0].removeprefix("# ") if head is None else head, ""]
    for group, name in chosen.items():
        if others := [choice for choice in group_choices(config, group) if choice != name]:
            lines.append(_line(f"{group}={name}", f"or {', '.join(others)}"))
    section = None if len(lines) > 2 else ""
    for key, value in walk_keys(composed):
        if isinstance(value, dict):
            continue
        above, _, _ = key.rpartition(".")[0].partition(".")
        if above != section:
            section = above
            lines.append("")
            if above in comments:
                lines.append(f"{above}: {comments[above]}")
        lines.append(_line(f"{key}={_value(value)}", comments.get(key, "")))
    return "\n".join([*lines, "", "--cfg job prints the whole configuration; --hydra-help shows Hydra's options"])


def _line(word: str, comment: str) -> str:
    return f"{word:<{_COLUMN - 2}}  {comment}".rstrip()


def _value(value: Any) -> str:
    if isinstance(value, list):
        return str(value).replace(" ", "").replace("'", "").lower()
    return "..." if value == "???" else shown(value)


def _of_file(file: Path, package: str) -> dict[str, str]:
    """Return the comments of a group's file and of the files it is based on, by full key."""
    text, folder = file.read_text(), file.parent
    stated = re.match(r"# @package (\S+)", text)
    where = package or (stated[1] if stated else folder.name)
    prefix = "" if where == "_global_" else f"{where}."
    inherited: dict[str, str] = {}
    for below in re.findall(r"^  - (?!_self_|override)([\w/]+)", text, re.M):
        base = _comments((folder / f"{below}.yaml").read_text())
        inherited |= {f"{prefix}{key}": comment for key, comment in base.items()}
    return inherited | {f"{prefix}{key}": comment for key, comment in _comments(text).items()}


def _comments(text: str) -> dict[str, str]:
    """Return the comment after each key of a YAML file, by dotted key. Comment-only lines continue the previous one."""
    comments: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    key = ""
    for line in _OWN.sub("", text).splitlines():
        if match := _KEY.fullmatch(line):
            indent = len(match["indent"])
            above = [(depth, name) for depth, name in above if depth < indent]
            key = ".".join([*(name for _, name in above), match["name"]])
            above.append((indent, match["name"]))
            if match["comment"]:
                comments[key] = match["comment"]
        elif (match := _MORE.fullmatch(line)) and key in comments:
            comments[key] += f" {match['comment']}"
    return comments
