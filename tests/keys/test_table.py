"""The table of keys is whole: every key of every file of ``conf/`` has a row or a reason, and neither is left over."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.helpers.settings import ROOT
from tests.keys.table import EXEMPT, TABLE

CONF = ROOT / "conf"
FILES = {path.relative_to(CONF).with_suffix("").as_posix(): path for path in sorted(CONF.rglob("*.yaml"))}
PACKAGES = {"data/base/pairs": "data"}
"""Of files that others take in by ``@_here_``."""
RECIPE_FOLDERS = ("experiment/", "sweep/", "inference/scale/", "inference/benchmark/styleid")
RECIPES = [name for name in FILES if name.startswith(RECIPE_FOLDERS)]
"""Files that only give other files' keys other values."""
ALIAS = re.compile(r"\$\{[\w.]+\}")
PATTERNS = [pattern for patterns in EXEMPT.values() for pattern in patterns]


def package(name: str) -> str:
    """What stands before a file's keys."""
    if name in PACKAGES:
        return PACKAGES[name]
    header = re.match(r"# @package (\S+)", FILES[name].read_text())
    found = header[1] if header else name.removeprefix("inference/").rpartition("/")[0].replace("/", ".")
    return found.replace("_global_", "")


def leaves(node: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Keys and values as they are written. A class's name is not a key."""
    for name, value in node.items():
        key = f"{before}.{name}".lstrip(".")
        if name == "defaults" or name.startswith("_"):
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, key)
        else:
            yield key, value


@functools.cache
def written(name: str) -> dict[str, Any]:
    """What a file sets."""
    node: Any = OmegaConf.to_container(OmegaConf.load(FILES[name]), resolve=False)
    return dict(leaves(node, package(name)))


def own(name: str) -> set[str]:
    """A file's keys without those of the file that it is made from, and those that are another key's value."""
    defaults: Any = OmegaConf.load(FILES[name]).get("defaults", [])
    bases = [f"{name.rpartition('/')[0]}/{base}" for base in defaults if isinstance(base, str)]
    known = {key for base in bases if base in FILES for key in written(base)}
    return {key for key, value in written(name).items() if key not in known and not ALIAS.fullmatch(str(value))}


def rows(name: str) -> set[str]:
    """Keys with a row, in all sections of a file."""
    return {key for title, section in TABLE.items() if title.split()[0] == name for key in section.keys}


@pytest.mark.parametrize("name", [name for name in FILES if name not in RECIPES])
def test_every_key_has_a_row_or_a_reason(name: str) -> None:
    without = {key for key in own(name) - rows(name) if not any(fnmatch(f"{name}: {key}", p) for p in PATTERNS)}
    assert not without, "give each a row in TABLE, or a reason in EXEMPT"


@pytest.mark.parametrize("title", TABLE)
def test_every_row_is_about_a_key(title: str) -> None:
    name = title.split()[0]
    assert set(TABLE[title].keys) <= set(written(name))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_exempt_key_is_there_and_has_no_row(pattern: str) -> None:
    names = [name for name in FILES if fnmatch(name, pattern.partition(": ")[0])]
    assert any(fnmatch(f"{name}: {key}", pattern) for name in names for key in own(name))
    assert not any(fnmatch(f"{name}: {key}", pattern) for name in names for key in rows(name))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sets_keys_of_other_files(name: str) -> None:
    others = {key for other in FILES if other not in RECIPES for key in written(other)}
    assert {key.removeprefix("hydra.sweeper.params.") for key in written(name)} <= others | {"strategy"}
