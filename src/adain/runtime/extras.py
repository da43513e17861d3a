"""What to type on this machine: optional packages, and commands by make or by their console scripts."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

_COMMANDS = "train|sweep|report|stylize-dataset|stylize|export|evaluate|compare|bench|doctor|demo|watch|runs"


def install_command(extra: str) -> str:
    """Return the command that installs one of our extras: make in a checkout, pip elsewhere."""
    if _in_checkout():
        return f"make setup EXTRAS={extra}"
    return f"{sys.executable} -m pip install 'adain-lightning[{extra}]'"


def as_typed_here(text: str) -> str:
    """Return a text whose commands, ``make train``, can be typed: as ``adain-train`` where that was typed or is all there is.

    Args:
        text: A message or a line. ``$$`` is make's dollar sign.
    """
    by_script = any(Path(word).name.startswith("adain-") for word in sys.orig_argv[1:2])
    if _in_checkout() and not by_script:
        return text
    text = re.sub(rf"\bmake help ({_COMMANDS})\b", r"make \1 --help", text)
    return re.sub(rf"\bmake ({_COMMANDS})\b", lambda found: program(f"adain-{found[1]}"), text).replace("$$", "$")


def program(name: str) -> str:
    """Return how a program that is installed beside this Python is typed: its name if the shell finds it, else its path."""
    path = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not path.exists() or (found is not None and path == Path(found).absolute()):
        return name
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _in_checkout() -> bool:
    return (Path(__file__).parents[3] / "Makefile").is_file()
