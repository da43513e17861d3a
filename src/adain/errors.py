"""The one error a user's mistake may raise."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that says what was given, what is allowed and what to do. The commands print it
    without a traceback; the library raises it like any ValueError.
    """
