"""Whether a folder is a checkout of the reference port: asked before torch is imported."""

from __future__ import annotations

from pathlib import Path

from adain.runtime.errors import InputError
from adain.runtime.files import expanded

FILES = ("net.py", "function.py")
"""What a checkout must hold."""


def check_reference(path: str | Path) -> Path:
    """Return the checkout's folder.

    Raises:
        InputError: If the port's files are not in it.
    """
    folder = expanded(path)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(
            f"reference={path} has no {' and no '.join(missing)}: give a checkout of naoto0804/pytorch-AdaIN "
            "(git clone https://github.com/naoto0804/pytorch-AdaIN)"
        )
    return folder
