"""Sockets reach this machine only. Python imports a module of this name as it starts: children find it by PYTHONPATH."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_here(host: str | None) -> bool:
    """Whether it is this machine's name, or an address that a socket of it can have: the loopback's, or Ray's choice."""
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except (ValueError, OSError):
        return False
    return True


def _check(host: Any) -> None:
    host = host.decode() if isinstance(host, bytes) else host
    if not _is_here(host):
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
