"""The error that reports a user's mistake."""

from __future__ import annotations


class UserError(ValueError):
    """Report that something the user gave cannot be used.

    The message is one sentence: what was given, what is allowed, and what to do. Commands print it without a
    traceback; to Python callers it is a ValueError.
    """

    def __init__(self, message: str = "") -> None:
        # torch's DataLoader re-raises a worker's error with the traceback as its message: keep only the sentence
        super().__init__(message.rpartition(f"{__name__}.UserError: ")[2].strip())
