from __future__ import annotations

import socket

import pytest

from adain.demo.server import is_loopback, listen
from adain.runtime.errors import InputError


def test_a_port_in_use_names_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port={port} is in use: give another, such as port=(\d+)$") as told:
            listen("127.0.0.1", port)
        other = int(str(told.value).rpartition("=")[2])
        with listen("127.0.0.1", other) as bound:
            assert bound.getsockname()[1] == other > port


def test_a_port_is_held_before_the_page_is_there() -> None:
    with (
        listen("127.0.0.1", 0) as bound,
        socket.create_connection(bound.getsockname(), timeout=5),
        pytest.raises(InputError, match="is in use"),
    ):
        listen(*bound.getsockname())


def test_any_free_port() -> None:
    with listen("127.0.0.1", 0) as bound:
        assert 1024 <= bound.getsockname()[1] <= 65535


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("192.0.2.1", 0, "not an address of this machine"), ("127.0.0.1", 70000, "port=70000 is not allowed")],
)
def test_mistakes(host: str, port: int, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        listen(host, port)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own
