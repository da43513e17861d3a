"""What callbacks are found by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

Kind = TypeVar("Kind")


@runtime_checkable
class ClosingLine(Protocol):
    """A callback with a line of its own below the closing table."""

    def closing_line(self) -> str | None:
        """Return the line; None if there is nothing to say."""
        ...


def find_callback(callbacks: Iterable[Any], kind: type[Kind]) -> Kind | None:
    """Return the first callback of a class, under whatever key it was configured; None if there is none."""
    return next((callback for callback in callbacks if isinstance(callback, kind)), None)
