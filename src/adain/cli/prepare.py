"""Set-up's last step: the weights and the sample pictures, so that nothing is fetched later."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from adain.data.sample import sample_folder
from adain.nn.weights import find
from adain.runtime.errors import InputError


def main() -> None:
    """Fetches what is not cached. What cannot be had is said, and asked for again by whoever needs it."""
    wanted: list[tuple[str, Callable[[], Path]]] = [
        ("encoder weights", lambda: find("vgg19_normalized")),
        ("reference decoder", lambda: find("reference_decoder")),
        ("sample photographs", lambda: sample_folder("content")),
        ("sample paintings", lambda: sample_folder("style")),
    ]
    for what, fetch in wanted:
        try:
            print(f"{what}: {fetch()}")
        except InputError as error:
            print(f"{what}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
