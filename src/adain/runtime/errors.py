"""Errors about what was given. Their message is one sentence, which a command prints without a traceback."""

from __future__ import annotations


class InputError(ValueError):
    """Report that a value, a file, or a combination of them cannot be used.

    The message says what was given and what is allowed, in the words of the function that was called.
    """

    def __init__(self, message: str = "") -> None:
        # torch's DataLoader re-raises a worker's error with the traceback as its message: keep only the sentence
        name = type(self)
        super().__init__(message.rpartition(f"{name.__module__}.{name.__qualname__}: ")[2].strip())


class MissingFileError(InputError, FileNotFoundError):
    """Report that a file that was named does not exist."""


class UserError(InputError):
    """Report a mistake on the command line, in its words: ``key=value``, and what to type instead."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class's name where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
