"""Sockets reach this machine only. Python imports a module of this name as it starts: children find it by PYTHONPATH."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _check(host: Any) -> None:
    host = host.decode() if isinstance(host, bytes) else host
    try:
        address = ipaddress.ip_address(host or "::")
        here = address.is_loopback or address.is_unspecified
    except ValueError:
        here = host in ("localhost", socket.gethostname())
    if not here:
        raise OSError(errno.ENETUNREACH, f"tests reach this machine only, not {host}")


def _is_network(sock: socket.socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def connect(self: socket.socket, address: Any) -> None:
    if _is_network(self):
        _check(address[0])
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    if _is_network(self):
        _check(address[0])
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *given: Any, **options: Any) -> Any:
    _check(host)
    return _getaddrinfo(host, *given, **options)


socket.socket.connect = connect  # type: ignore[method-assign]
socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
socket.getaddrinfo = getaddrinfo
