"""Callbacks found by what they are, and what they say when a training ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def closing_lines(callbacks: Iterable[Any]) -> Iterator[str]:
    """Yield what the callbacks have to say at the end."""
    for callback in callbacks:
        if isinstance(callback, ClosingLine) and (line := callback.closing_line()) is not None:
            yield line
