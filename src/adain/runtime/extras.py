"""How optional packages are installed, for the messages that ask for them."""

from __future__ import annotations

import sys
from pathlib import Path


def install_command(extra: str) -> str:
    """What to type for an extra of ours: in a checkout make's word for it, elsewhere pip's."""
    if (Path(__file__).parents[3] / "Makefile").is_file():
        return f"make setup EXTRAS={extra}"
    return f"{sys.executable} -m pip install 'adain-lightning[{extra}]'"
