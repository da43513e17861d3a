"""How to install optional packages, for the error messages that ask for them."""

from __future__ import annotations

import sys
from pathlib import Path


def install_command(extra: str) -> str:
    """Return the command that installs one of our extras: make in a checkout, pip elsewhere."""
    if (Path(__file__).parents[3] / "Makefile").is_file():
        return f"make setup EXTRAS={extra}"
    return f"{sys.executable} -m pip install 'adain-lightning[{extra}]'"
