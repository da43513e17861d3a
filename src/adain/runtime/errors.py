"""The one error a user's mistake may raise."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that says what was given, what is allowed and what to do. The commands print it
    without a traceback; the library raises it like any ValueError.
    """

    def __init__(self, message: str = "") -> None:
        # torch's loader raises a worker's error again with its traceback as the message: only the sentence is kept
        super().__init__(message.rpartition(f"{__name__}.UserError: ")[2].strip())
