"""What was wrong, in a user's words, of an error that came up while a command ran."""

from __future__ import annotations

import errno
import re
import sys
from importlib import metadata

from adain.runtime.errors import UserError
from adain.runtime.extras import install_command


def mistake(error: BaseException) -> str | None:
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
    if error.name is None:  # raised by a library, in words of its own
        return f"this choice needs a package that is not installed: {str(error).splitlines()[0]}"
    wanted = _distribution(error.name)
    try:
        requirements = metadata.requires("adain-lightning") or []
    except metadata.PackageNotFoundError:  # run from a folder of sources that was never installed
        requirements = []
    for requirement in requirements:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"]([\w-]+)", requirement)
        if name and extra and _distribution(name[0]) == wanted:
            return f"this choice needs the package {name[0]} of the extra `{extra[1]}`: {install_command(extra[1])}"
    return f"this choice needs the package {wanted}, which is not installed: {sys.executable} -m pip install {wanted}"


def _distribution(module: str) -> str:
    """A module's or a requirement's name as package indexes spell it."""
    parts = module.split(".")
    if parts[0] == "hydra_plugins" and len(parts) > 1:  # hydra_plugins.hydra_ray_launcher
        parts = parts[1:]
    return parts[0].replace("_", "-").lower()
