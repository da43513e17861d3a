"""Run a command under Hydra: check its configuration first, and report a user's mistake in one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from adain.cli.preflight.compose import compose_config, preflight
from adain.cli.preflight.explain import explain
from adain.cli.preflight.jobs import preflight_jobs
from adain.cli.preflight.training import check_files
from adain.cli.preflight.usage import usage
from adain.runtime.conf import root_of
from adain.runtime.errors import UserError
from adain.runtime.mistakes import mistake
from adain.runtime.quoting import quoted

_FLAGS = {
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package", "-r", "--run", "-m",
    "--multirun", "-sc", "--shell-completion", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "--experimental-rerun", "-i", "--info",
}  # fmt: skip
"""Hydra's flags. Without this list its parser would take ``--experiment`` for an abbreviation of ``--experimental-rerun``."""


def run(config: str, task: Callable[[DictConfig], Any], paths: tuple[str, ...] = (), head: str | None = None) -> None:
    """Run a command under Hydra and exit: with 0 if done, 1 for a user's mistake, 128 + n if stopped by signal n.

    With ``--multirun`` every job is checked before the first starts, and one job's mistake does not stop the others.

    Args:
        config: Name of the primary configuration.
        task: Called with the composed configuration.
        paths: Keys whose values are file names, read literally whatever characters they contain.
        head: First lines of ``--help``, if the command shares its configuration with another.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    many = any(argument in ("-m", "--multirun") for argument in sys.argv[1:])
    typed = [f"logs={Path(a[5:]).expanduser()}" if a.startswith("logs=~") else a for a in sys.argv[1:]]
    arguments = [quoted(argument, paths, many) for argument in typed]
    sys.argv[1:] = arguments
    overrides = [a for a in arguments if not a.startswith("-")]
    if {"--help", "-h"} & set(arguments):
        try:
            print(usage(config, overrides, head), flush=True)
        except BrokenPipeError:  # the reader closed the pipe, as head does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except HydraException as error:
            fail(explain(error, overrides, lambda: compose_config(config, [])))
        return
    if dashed := [a for a in arguments if a.startswith("-") and a.partition("=")[0] not in _FLAGS]:
        key = dashed[0].lstrip("-")
        fail(f"{dashed[0]} is not an option: type keys without dashes, such as {key if '=' in key else f'{key}=VALUE'}")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise errors here instead of letting Hydra print them

    started = False

    def guarded(given: DictConfig) -> Any:
        nonlocal started
        started = True
        try:
            return task(given)
        except Exception as error:
            if (text := mistake(error)) is None:
                raise  # a bug: show its traceback
            fail(text)

    try:
        if many:
            preflight_jobs(config, overrides)
        elif not any(a.startswith("-") for a in arguments):  # flags such as --cfg are Hydra's
            check_files(preflight(config, overrides))
        start = hydra.main(version_base="1.3", config_path=str(root_of(config)), config_name=config)
        start(task if many else guarded)()
    except UserError as error:
        fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error, overrides, lambda: compose_config(config, [])))
    except OSError as error:
        if started:
            raise
        fail(f"the output folder cannot be written ({error}): give another one with logs=PATH")
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def fail(message: str) -> NoReturn:
    """Print one sentence to stderr and exit with code 1."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
