"""``make stylize``: pictures and videos in the style of pictures."""

from __future__ import annotations

from omegaconf import DictConfig

from adain.cli.app import run
from adain.cli.plain import plain_values
from adain.inference.request import StylizeRequest
from adain.inference.stylize import stylize_files


def stylize(config: DictConfig) -> None:
    """Make every result that is asked for, and print where it is."""
    stylize_files(StylizeRequest(**plain_values(config)))


def main() -> None:
    """The command."""
    run("stylize", stylize)


if __name__ == "__main__":
    main()
