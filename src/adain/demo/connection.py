"""Connections that are slow to say what they want, which uvicorn has no limit for."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_LOOKED_AT = 5  # seconds; a request's head must be there after two looks
_ONE_ADDRESS = 256  # connections


class Connection(H11Protocol):
    """An HTTP connection that is closed after ten seconds without a whole request's head or an answer under way."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the connection from now on, or close it at once if its address has too many."""
        super().connection_made(transport)
        same = sum(isinstance(other, Connection) and _address(other) == _address(self) for other in self.connections)
        if same > _ONE_ADDRESS:
            transport.abort()
        else:
            self.loop.call_later(_LOOKED_AT, self._look, None, 0)

    def _look(self, last: Any, idle: int) -> None:
        if self.transport.is_closing():
            return
        waits = self.cycle is last and (self.cycle is None or self.cycle.response_complete)
        if waits and idle:
            self.transport.abort()
        else:
            self.loop.call_later(_LOOKED_AT, self._look, self.cycle, int(waits))


def _address(connection: H11Protocol) -> str | None:
    return connection.client[0] if connection.client else None
