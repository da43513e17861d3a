"""``out=-``: a result on standard output, and nothing else there."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from adain.runtime.errors import UserError


def take_standard_output() -> BinaryIO:
    """Standard output for a result alone: whatever is printed from now on, by whomever, goes to standard error.

    Raises:
        UserError: If it is a terminal.
    """
    if os.isatty(1):
        raise UserError(
            "out=- writes to a pipe, but standard output is a terminal: as in  make --silent ... | ffplay -"
        )
    sys.stdout.flush()
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sink
