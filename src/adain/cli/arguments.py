"""What commands make of the arguments that were typed, before Hydra reads them."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile

from adain.cli.preflight.types import list_keys
from adain.runtime.conf import group_choices
from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here
from adain.runtime.files import expanded
from adain.runtime.launched import launched_outside
from adain.runtime.quoting import FILE_KEYS, quote, quoted, split_names

_FLAGS = {
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package", "-r", "--run", "-m",
    "--multirun", "-sc", "--shell-completion", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "--experimental-rerun", "-i", "--info",
}  # fmt: skip
"""Hydra's flags. Without this list its parser would take ``--experiment`` for an abbreviation of ``--experimental-rerun``."""
_ADDRESS = re.compile(r"(?:^|[\[,'\"])\s*(\w[\w+.-]*://[^,\]'\"]*)")
_WRITTEN = re.compile(r"\[|'|\"|\w+\(|\$\{")
"""How a value begins that is written in Hydra's grammar already."""


def is_multirun(arguments: list[str]) -> bool:
    """Return whether Hydra is to run once for every combination."""
    return bool({"-m", "--multirun"} & set(arguments))


def check_flags(arguments: list[str]) -> None:
    """Refuse a word with dashes that is not one of Hydra's flags.

    Raises:
        UserError: With the form that is right.
    """
    for word in arguments:
        if word.startswith("-") and word.partition("=")[0] not in _FLAGS:
            key = word.lstrip("-")
            form = key if "=" in key else f"{key}=VALUE"
            raise UserError(f"{word} is not an option: type keys without dashes, such as {form}")


def cleaned(config: str, arguments: list[str]) -> list[str]:
    """Return the arguments as Hydra's grammar takes them, file names quoted.

    Where commas sweep nothing, in all commands but ``train``, lists need no brackets: ``styles=a.jpg,b.jpg``.

    Raises:
        UserError: If an address is given in place of a file.
    """
    many = is_multirun(arguments)
    lists = {} if many or config == "train" else list_keys(config)
    kept = [f"logs={expanded(a[5:])}" if a.startswith("logs=~") else a for a in arguments if not _chdir(a)]
    for key, _, value in (argument.partition("=") for argument in kept):
        if key.lstrip("+") in FILE_KEYS and (address := _ADDRESS.search(value)):
            raise UserError(
                f"{key}={address[1]} is an address: nothing is downloaded or sent there; give a file or folder on this machine"
            )
    return [_listed(argument, lists) or quoted(argument, many) for argument in kept]


def _listed(argument: str, lists: dict[str, bool]) -> str | None:
    """Return a list that was typed without brackets as Hydra writes it, or None if the argument is none."""
    key, _, value = argument.partition("=")
    if key not in lists or value in ("", "null") or _WRITTEN.match(value):
        return None
    words = split_names(value) if key in FILE_KEYS else value.split(",")
    if len(words) == 1 and (lists[key] or os.path.exists(value)):
        return None
    return f"{key}=[{','.join(map(quote, words) if key in FILE_KEYS else words)}]"


def _chdir(argument: str) -> bool:
    """Return whether an argument asks Hydra to change the folder. That one is left out, and said to be."""
    key, _, value = argument.lstrip("+").partition("=")
    if key != "hydra.job.chdir" or value.lower() != "true":
        return False
    print("hydra.job.chdir=true is ignored: file names are relative to the folder where you type", file=sys.stderr)
    return True


def plain_keys(typed: list[str], usage: str, **keys: str) -> dict[str, str]:
    """Return what is typed for a command without a configuration. ``--help`` prints the usage and ends the command.

    Args:
        typed: ``key=value``, as typed.
        usage: Begins with the command: ``make watch``.
        keys: All that it takes, ``logs`` among them, and what to give: ``PATH``.

    Raises:
        UserError: If a key is none of them.
    """
    if {"--help", "-h"} & set(typed):
        print(as_typed_here(usage))
        sys.exit(0)
    given = dict(argument.partition("=")[::2] for argument in typed)
    if unknown := sorted(set(given) - set(keys)):
        allowed = ", ".join(f"{key}={value}" for key, value in keys.items())
        raise UserError(f"unknown key {unknown[0]}: {' '.join(usage.split()[:2])} takes {allowed}")
    return given | {"logs": given.get("logs") or "logs"}


def choose_recipe(arguments: list[str]) -> list[str]:
    """Add the experiment of a model's own name where there is one and none is typed: the default is AdaIN's."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    name = given.get("model")
    typed = any(key.lstrip("+~") == "experiment" for key in given)
    add = not typed and name in group_choices("train", "experiment")
    return [*arguments, f"experiment={name}"] if add else arguments


def keep_to_one_folder(arguments: list[str]) -> list[str]:
    """Let only rank 0 keep a folder where torchrun or srun starts the command in every rank: time stamps would differ.

    Raises:
        UserError: If every rank would run a whole sweep.
    """
    outside = launched_outside()
    if outside is None or outside[1] == 1:
        return arguments
    if is_multirun(arguments):
        raise UserError(
            f"each of the {outside[1]} processes that were started here would run the whole sweep: start --multirun once, "
            "with strategy=ddp trainer.devices=N; every job then starts its own processes"
        )
    if outside[0] == 0:
        return arguments
    if any(argument.startswith("hydra.run.dir=") for argument in arguments):
        return arguments
    elsewhere = tempfile.mkdtemp(prefix="adain-rank-")
    atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
    return [*arguments, f"hydra.run.dir={quote(elsewhere)}"]
