"""Run a command under Hydra: check its configuration first, and report a user's mistake in one sentence.

Nothing else reads or writes ``sys.argv``: a command that adds to what was typed gives ``run`` a function from arguments
to arguments.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from adain.cli.arguments import check_flags, cleaned, is_multirun
from adain.cli.ending import ending, fail
from adain.cli.preflight.compose import compose_config, preflight, run_composed
from adain.cli.preflight.explain import explain
from adain.cli.preflight.extras import check_extras
from adain.cli.preflight.jobs import preflight_jobs
from adain.cli.preflight.training import check_files
from adain.cli.preflight.usage import usage
from adain.runtime.conf import root_of
from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here
from adain.runtime.mistakes import mistake
from adain.runtime.streams import keep_writing

Arguments = list[str]


def run(
    config: str,
    task: Callable[[DictConfig], Any],
    head: str | None = None,
    rewrite: Callable[[Arguments], Arguments] = list,
) -> None:
    """Run a command under Hydra and exit as ``ending`` says. See ``run_hydra`` for the other arguments.

    Args:
        config: Name of the primary configuration.
        task: Called with the composed configuration.
        head: First lines of ``--help``.
        rewrite: Returns Hydra's arguments for what was typed.
    """
    start(lambda typed: run_hydra(config, task, rewrite(typed), head))


def start(command: Callable[[Arguments], Any]) -> None:
    """Call a command with what was typed, and exit as ``ending`` says."""
    keep_writing()
    with ending():
        command(sys.argv[1:])


def run_hydra(config: str, task: Callable[[DictConfig], Any], arguments: Arguments, head: str | None = None) -> None:
    """Check a command's arguments, then hand them to Hydra, which composes the configuration and calls the task.

    With ``--multirun`` every job is checked before the first starts, and one job's mistake does not stop the others.

    Args:
        config: Name of the primary configuration.
        task: Called with the composed configuration.
        arguments: Overrides and Hydra's flags.
        head: First lines of ``--help``, if the command shares its configuration with another.

    Raises:
        UserError: If something was typed that cannot be used.
    """
    many = is_multirun(arguments)
    arguments = cleaned(config, arguments)
    overrides = [word for word in arguments if not word.startswith("-")]
    composed, started = None, False

    def guarded(given: DictConfig) -> Any:
        nonlocal started
        started = True
        try:
            return task(given)
        except Exception as error:
            if (text := mistake(error)) is None:
                raise
            fail(text)  # here, because Hydra would print the overrides of a job that failed

    try:
        if {"--help", "-h"} & set(arguments):
            return print(as_typed_here(usage(config, overrides, head)), flush=True)
        check_flags(arguments)
        if many:
            preflight_jobs(config, overrides)
        elif len(overrides) == len(arguments):  # flags such as --cfg are Hydra's
            composed = preflight(config, overrides)
            check_extras(config, composed.config)
            check_files(composed.config)
        os.environ["HYDRA_FULL_ERROR"] = "1"  # raise errors here instead of letting Hydra print them
        sys.argv[1:] = arguments
        if composed is not None and composed.hydra.mode != RunMode.MULTIRUN:
            return run_composed(config, composed, guarded)
        hydra.main(version_base="1.3", config_path=str(root_of(config)), config_name=config)(
            task if many else guarded
        )()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, overrides, lambda: compose_config(config, []))) from None
    except OSError as error:
        if started or mistake(error) is not None:
            raise
        raise UserError(f"the output folder cannot be written ({error}): give another one with logs=PATH") from None
