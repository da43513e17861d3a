"""How every command starts and ends: configuration composed and checked first, a user's mistake in one sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from adain.commands.check import check, check_recipe, explain
from adain.errors import UserError

_WHOLE = re.compile(r"\[.*\]|'.*'|\".*\"", re.S)


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
    if "system" in OmegaConf.load(conf_folder() / f"{config}.yaml"):
        # Hydra takes every method= for the group of training recipes; where it is a word, the word has its own key
        arguments = [a.replace("method=", "system=", 1) if a.startswith("method=") else a for a in arguments]
    sys.argv[1:] = arguments
    overrides = [a for a in arguments if not a.startswith("-")]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here, not to Hydra's own printing

    def guarded(given: DictConfig) -> Any:
        try:
            return task(given)
        except Exception as error:
            if (mistake := _mistake(error)) is None:
                raise  # a fault of ours: with its traceback
            fail(mistake)

    try:
        if not any(a.startswith("-") for a in arguments):  # --help, --multirun and the like are Hydra's
            preflight(config, overrides)
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config)(guarded)()
    except UserError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error, overrides, lambda: _compose(config, [])))
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def fail(message: str) -> NoReturn:
    """Ends the process with one sentence and exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def preflight(config: str, overrides: list[str]) -> None:
    """Composes the configuration and checks it, before torch is imported and before any folder is made.

    Raises:
        UserError: What is wrong, what is allowed and what to do.
    """
    groups = [override for override in overrides if _is_group(override)]
    try:
        composed = _compose(config, overrides)
        check_recipe(composed, dict(HydraConfig.get().runtime.choices), conf_folder(), overrides)
        check(composed, overrides, lambda: _compose(config, groups))
    except UserError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: a group set to null
        raise UserError(explain(error, overrides, lambda: _compose(config, groups))) from None


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
    """The message of the user error that this is, or that caused it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return str(inner)
        if isinstance(inner, ModuleNotFoundError) and not (inner.name or "").startswith("adain"):
            return f"{str(inner).splitlines()[0]}: install the extra that this choice needs (see pyproject.toml)"
        inner = inner.__cause__  # not __context__: a fault met while handling a mistake is ours
    return None


def _quoted(argument: str, paths: tuple[str, ...]) -> str:
    """A file name quoted for Hydra's grammar, whatever is in it; in a list, every one that has no quotes of its own.

    ``null`` and whole quotes stay. A file that is called like a list is a file.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in paths or value in ("", "null"):
        return argument
    if _WHOLE.fullmatch(value) and not Path(value).exists():
        words = value[1:-1].split(",")
        if value[0] != "[" or any(word.strip()[:1] in ("'", '"', "[", "") for word in words):
            return argument
        return f"{key}=[{','.join(quote(word.strip()) for word in words)}]"
    return f"{key}={quote(value)}"


def quote(value: str) -> str:
    """A text in Hydra's quotes. Hydra takes a backslash for itself only before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value) + "'"
