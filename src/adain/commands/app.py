"""How every command starts and ends: configuration composed and checked first, a user's mistake in one sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, flag_override
from omegaconf.errors import OmegaConfBaseException

from adain.commands.check import check, explain
from adain.errors import UserError

_PLAIN = re.compile(r"[\w./:@%+~^-]*")


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
    try:
        if not any(a.startswith("-") for a in arguments):  # --help, --multirun and the like are Hydra's
            preflight(config, overrides)
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config)(task)()
    except UserError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        if (cause := _cause(error)) is not None:
            fail(str(cause))
        fail(explain(error, overrides, lambda: _compose(config, [])))
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def fail(message: str) -> None:
    """Ends the process with one sentence and exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def preflight(config: str, overrides: list[str]) -> None:
    """Composes the configuration and checks it, before torch is imported and before any folder is made.

    Raises:
        UserError: What is wrong, what is allowed and what to do.
    """
    try:
        given = _compose(config, overrides)
        check(given, overrides, lambda: _compose(config, [o for o in overrides if _is_group(config, o)]))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, overrides, lambda: _compose(config, []))) from None


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


def _is_group(config: str, override: str) -> bool:
    key = OverridesParser.create().parse_override(override).key_or_group
    return (conf_folder() / key).is_dir()


def _cause(error: BaseException) -> UserError | None:
    """The user error inside an InstantiationException, if that is what it is."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return inner
        inner = inner.__cause__ or inner.__context__
    return None


def _quoted(argument: str, paths: tuple[str, ...]) -> str:
    """A file name with spaces, commas, brackets or ``=`` quoted for Hydra's grammar. Lists and quotes stay."""
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in paths or _PLAIN.fullmatch(value) or value[:1] in "[{'\"":
        return argument
    return f"{key}='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
