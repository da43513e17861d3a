"""How every command starts and ends: configuration composed and checked first, a user's mistake in one sentence."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, flag_override
from omegaconf.errors import OmegaConfBaseException

from adain.commands.check import check, check_files, explain
from adain.errors import UserError

_QUOTES = re.compile(r"'.*'|\".*\"", re.S)


def conf_folder() -> Path:
    """The configuration: beside ``src/`` in a checkout, inside the package where it is installed."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def run(config: str, task: Callable[[DictConfig], Any], paths: tuple[str, ...] = ()) -> None:
    """Runs a command under Hydra and exits: 0 done, 1 a user's mistake, 128 + n stopped by signal n.

    Args:
        config: Name of the primary configuration.
        task: What to do with the composed one.
        paths: Keys whose value is a file name, taken as it is, whatever characters it has.
    """
    arguments = [_quoted(argument, paths) for argument in sys.argv[1:]]
    sys.argv[1:] = arguments
    overrides = [a for a in arguments if not a.startswith("-")]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, not to Hydra's own printing

    started = False

    def guarded(given: DictConfig) -> Any:
        nonlocal started
        started = True
        try:
            return task(given)
        except Exception as error:
            if (mistake := _mistake(error)) is None:
                raise  # a fault of ours: with its traceback
            fail(mistake)

    try:
        if not any(a.startswith("-") for a in arguments):  # --help, --multirun and the like are Hydra's
            check_files(preflight(config, overrides))
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config)(guarded)()
    except UserError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error, overrides, lambda: _compose(config, [])))
    except OSError as error:
        if started:
            raise
        fail(f"the output folder cannot be written ({error}): give another one with logs=PATH")
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def fail(message: str) -> NoReturn:
    """Ends the process with one sentence and exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def preflight(config: str, overrides: list[str]) -> DictConfig:
    """Composes the configuration and checks it, before torch is imported and before any folder is made.

    Returns:
        The configuration. Files that it names are not looked at: see ``check_files``.

    Raises:
        UserError: What is wrong, what is allowed and what to do.
    """
    groups = [override for override in overrides if _is_group(override)]
    try:
        composed = _compose(config, overrides)
        check(composed, overrides, lambda: _compose(config, groups))
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a group set to null
        raise UserError(explain(error, overrides, lambda: _compose(config, groups))) from None
    return composed


def _compose(config: str, overrides: list[str]) -> DictConfig:
    """The configuration as the task will see it, the run's folder left open."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composed = compose(config, overrides, return_hydra_config=True)
    composed.hydra.runtime.output_dir = "RUN"
    HydraConfig.instance().set_config(composed)
    with flag_override(composed, ["struct", "readonly"], [False, False]):
        composed.pop("hydra")
    return composed


def _is_group(override: str) -> bool:
    """Whether an override chooses among a group's files. One with + or ~ before it does not."""
    key = override.partition("=")[0]
    return bool(key) and (conf_folder() / key).is_dir()


def _mistake(error: BaseException) -> str | None:
    """The message of the user error that this is or that caused it, or of a machine that ran full."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return str(inner)
        if isinstance(inner, ModuleNotFoundError) and not (inner.name or "").startswith("adain"):
            return missing_package(inner)
        if isinstance(inner, OSError) and inner.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            where = f" at {inner.filename}" if inner.filename else ""
            return f"nothing more can be written{where} ({inner.strerror}): free some disk space or give logs=PATH"
        inner = inner.__cause__  # not __context__: a fault met while handling a mistake is ours
    return None


def missing_package(error: ModuleNotFoundError) -> str:
    """Which package is missing, which of our extras brings it, and the command that installs it."""
    module = (error.name or "").partition(".")[0] or str(error)
    wanted = _distribution(error.name or module)
    try:
        requirements = metadata.requires("adain-lightning") or []
    except metadata.PackageNotFoundError:  # run from a folder of sources that was never installed
        requirements = []
    for requirement in requirements:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"]([\w-]+)", requirement)
        if name and extra and _distribution(name[0]) == wanted:
            what = f"-e '.[{extra[1]}]'" if _in_checkout() else f"'adain-lightning[{extra[1]}]'"
            return f"this choice needs the package {name[0]} of the extra `{extra[1]}`: {sys.executable} -m pip install {what}"
    return f"this choice needs the package {wanted}, which is not installed: {sys.executable} -m pip install {wanted}"


def _distribution(module: str) -> str:
    """A module's or a requirement's name as package indexes spell it."""
    parts = module.split(".")
    if parts[0] == "hydra_plugins" and len(parts) > 1:  # hydra_plugins.hydra_ray_launcher
        parts = parts[1:]
    return parts[0].replace("_", "-").lower()


def _in_checkout() -> bool:
    return (conf_folder().parent / "pyproject.toml").is_file()


def _quoted(argument: str, paths: tuple[str, ...]) -> str:
    """A file name quoted for Hydra's grammar, whatever is in it. ``null`` and whole quotes stay.

    A list stays one: each name in it is quoted.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in paths or value in ("", "null") or _QUOTES.fullmatch(value):
        return argument
    if value.startswith("[") and value.endswith("]"):
        names = _names(argument)
        return f"{key}=[{','.join(map(quote, names))}]" if names else argument
    return f"{key}={quote(value)}"


def _names(argument: str) -> list[str] | None:
    """The names of a list, or None where it is not one: Hydra then says what is wrong with it."""
    inside = argument.partition("=")[2][1:-1]
    try:
        given = OverridesParser.create().parse_override(argument).value()
    except HydraException:  # ~ and ( are not in its grammar; with neither quotes nor lists inside, commas separate
        given = None if re.search(r"['\"\[\]]", inside) else [name.strip() for name in inside.split(",")]
    if not isinstance(given, list) or not all(isinstance(name, str | int | QuotedString) for name in given):
        return None
    return [name.text if isinstance(name, QuotedString) else str(name) for name in given]


def quote(value: str) -> str:
    """A text in Hydra's quotes, taken as it is: ``${`` is no interpolation.

    Hydra takes a backslash for itself only before a quote, OmegaConf only before ``${``.
    """
    value = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value) + "'"
