"""Sockets reach this machine only. Python imports a module of this name as it starts: children find it by PYTHONPATH."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_own_name(host: str | None) -> bool:
    return host in (None, "", "localhost", socket.gethostname())


def _is_own_address(host: str) -> bool:
    """Whether a socket of this machine can have it: the loopback's, or the one that Ray takes."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0]
    if not (_is_own_name(host) or (_is_address(host) and _is_own_address(host))):
        raise OSError(errno.ENETUNREACH, f"tests reach this machine only, not {host}")


def connect(self: socket.socket, address: Any) -> None:
    _check(self, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    _check(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *given: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_own_name(name) and not _is_address(name):
        raise socket.gaierror(socket.EAI_NONAME, f"tests reach this machine only, not {name}")
    return _getaddrinfo(host, *given, **options)


socket.socket.connect = connect  # type: ignore[method-assign]
socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
socket.getaddrinfo = getaddrinfo
