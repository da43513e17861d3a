"""Translate an error that a command ran into into one sentence for its user."""

from __future__ import annotations

import errno
import re
import sys
from importlib import metadata

from adain.runtime.errors import InputError
from adain.runtime.extras import install_command


def mistake(error: BaseException) -> str | None:
    """Return a sentence about what the user can mend, or None if the error is a fault of the program.

    Mendable are an ``InputError`` (this one or its cause), a missing package, a full or read-only disk, a path without
    permission, a name that is too long, and too little memory.
    """
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, InputError):
            return str(inner)
        if isinstance(inner, ModuleNotFoundError) and not (inner.name or "").startswith("adain"):
            return missing_package(inner)
        if isinstance(inner, OSError) and inner.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            where = f" at {inner.filename}" if inner.filename else ""
            return f"nothing more can be written{where} ({inner.strerror}): free some disk space or give logs=PATH"
        if isinstance(inner, PermissionError) and inner.filename:
            return f"{inner.filename} may not be read or written: check its permissions, or give another path"
        if _out_of_memory(inner):
            return (
                "this needs more memory than the machine or its GPU has: give smaller batches (data.batch_size, batch_size) "
                "or smaller pictures (data.crop, size, side, tile)"
            )
        if isinstance(inner, OSError) and inner.errno == errno.ENAMETOOLONG:
            return f"{inner.filename or 'a name'} is too long for a file system: give a shorter one"
        inner = inner.__cause__  # not __context__: an error raised while handling an InputError is the program's fault
    return None


def _out_of_memory(error: BaseException) -> bool:
    """Return whether an error is Python's or torch's for too little memory, without importing torch."""
    named = type(error).__name__ == "OutOfMemoryError"
    return named or isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate" in str(error)


def missing_package(error: ModuleNotFoundError) -> str:
    """Say which package is missing, which of our extras contains it, and how to install it."""
    if error.name is None:  # a library raised it with its own message
        return f"this choice needs a package that is not installed: {str(error).splitlines()[0]}"
    missing = _distribution(error.name)
    try:
        requirements = metadata.requires("adain-lightning") or []
    except metadata.PackageNotFoundError:  # run from a source folder without installation
        requirements = []
    for requirement in requirements:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == ['\"]([\w-]+)", requirement)
        if name and extra and _distribution(name[0]) == missing:
            return f"this choice needs the package {name[0]} of the extra `{extra[1]}`: {install_command(extra[1])}"
    return f"this choice needs the package {missing}, which is not installed: {sys.executable} -m pip install {missing}"


def _distribution(module: str) -> str:
    """Return the package index's spelling of a module's or requirement's name."""
    parts = module.split(".")
    if parts[0] == "hydra_plugins" and len(parts) > 1:  # such as hydra_plugins.hydra_ray_launcher
        parts = parts[1:]
    return parts[0].replace("_", "-").lower()
