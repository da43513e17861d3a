"""``make stylize``: pictures and videos in the style of pictures."""

from __future__ import annotations

from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.plain import plain_values
from adain.inference.request import StylizeRequest
from adain.inference.stylize import stylize_files

PATHS = ("content", "style", "styles", "masks", "out", "decoder", "logs")
"""Keys whose value is a file name, whatever characters it has."""


def stylize(config: DictConfig) -> None:
    """Make every result that is asked for, and print where it is."""
    stylize_files(StylizeRequest(**plain_values(config)))


def main() -> None:
    """The command."""
    run("stylize", stylize, paths=PATHS)


if __name__ == "__main__":
    main()
