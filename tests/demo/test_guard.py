from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("starlette", reason="comes with gradio, of the extra demo")

from adain.demo.guard import Guard

POST = {"content-length": "10"}


def ask(guard: Guard, path: str, method: str, headers: dict[str, str], sent: list[Any], peer: str = "10.0.0.1") -> int:
    """The status of the answer."""
    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "client": (peer, 5),
        "query_string": b"deep_link=x",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "a:1", **headers}.items()],
    }
    status = []

    async def receive() -> Any:
        if sent:
            return {"type": "http.request", "body": sent.pop(0), "more_body": True}
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    asyncio.run(guard(scope, receive, send))
    return int(status[0]) if status else 0


class Server:
    """What it was asked."""

    def __init__(self, reads: bool = False) -> None:
        self.asked: list[Any] = []
        self.reads = reads

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope)
        while self.reads:
            await receive()
        await send({"type": "http.response.start", "status": 200})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "paint.example.org", "origin": "https://paint.example.org"}, 200),
        ({"host": "a:1", "origin": "https://paint.example.org"}, 200),
        ({"host": "paint.example.org", "origin": "https://evil.example"}, 403),
        ({"host": "evil.example"}, 400),
    ],
)
def test_behind_a_reverse_proxy(headers: dict[str, str], status: int) -> None:
    server = Server()
    guard = Guard(server, 100, frozenset({"a:1", "paint.example.org"}), "https://paint.example.org/studio")
    given = {
        **POST,
        **headers,
        "x-forwarded-for": "6.6.6.6, 7.7.7.7",
        "x-forwarded-host": "evil.example",
        "cookie": "a=b",
    }
    assert ask(guard, "/gradio_api/queue/join", "POST", given, []) == status
    if status == 200:
        assert server.asked[0]["client"][0] == "7.7.7.7"
        assert {name for name, _ in server.asked[0]["headers"]} == {b"host", b"content-length"}
        assert server.asked[0]["query_string"] == b""


def test_without_a_proxy_nobody_says_who_he_is() -> None:
    server = Server()
    assert ask(Guard(server, 100, None, None), "/", "GET", {"x-forwarded-for": "6.6.6.6"}, []) == 200
    assert server.asked[0]["client"][0] == "10.0.0.1"


@pytest.mark.parametrize("host", ["a b", "evil.example/x", "<script>", "a:b:c", "", "http://x"])
def test_a_host_that_is_none_is_refused_whatever_the_page_is_called(host: str) -> None:
    assert ask(Guard(Server(), 100, None, None), "/", "GET", {"host": host}, []) == 400


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/", "GET", {}, 200),
        ("/", "GET", {"content-length": "1"}, 413),
        ("/gradio_api/upload", "POST", {"content-length": "100"}, 200),
        ("/gradio_api/upload", "POST", {"content-length": "101"}, 413),
        ("/gradio_api/upload", "POST", {"content-length": "-1"}, 413),
        ("/gradio_api/upload", "POST", {"content-length": "1e1"}, 413),
        ("/gradio_api/upload", "POST", {}, 411),
        ("/gradio_api/upload", "POST", {"transfer-encoding": "chunked"}, 411),
        ("/gradio_api/upload", "POST", {"transfer-encoding": "chunked", "content-length": "5"}, 411),
        ("/gradio_api/queue/join", "POST", {"content-length": "4000000"}, 200),
        ("/gradio_api/queue/join", "POST", {"content-length": "4000001"}, 413),
    ],
)
def test_sizes(path: str, method: str, headers: dict[str, str], status: int) -> None:
    assert ask(Guard(Server(), 100, None, None), path, method, headers, []) == status


def test_a_body_that_stalls_or_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, sent in (("_STALLED", [b"1"]), ("_BODY", [b"1"] * 3)):
        monkeypatch.setattr(f"adain.demo.guard.{name}", 0.05)
        guard = Guard(Server(reads=True), 100, None, None)
        assert ask(guard, "/gradio_api/upload", "POST", POST, sent) == 408
        monkeypatch.undo()


def test_one_visitor_has_half_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adain.demo.guard._STALLED", 0.05)
    monkeypatch.setattr("adain.demo.guard._ROOM", {True: 30, False: 30})
    guard = Guard(Server(), 100, None, None)
    guard._coming[True].update({"10.0.0.1": 10})
    assert ask(guard, "/gradio_api/upload", "POST", POST, []) == 503
    assert ask(guard, "/gradio_api/upload", "POST", POST, [], peer="10.0.0.2") == 200
    assert ask(guard, "/gradio_api/queue/join", "POST", POST, []) == 200  # never behind uploads
    assert guard._coming[True] == {"10.0.0.1": 10}


def test_a_reader_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adain.demo.guard._STALLED", 0.05)
    scope = {"type": "http", "path": "/", "method": "GET", "query_string": b"", "headers": [(b"host", b"a")]}

    async def stuck(_: Any = None) -> Any:
        await asyncio.sleep(60)

    asyncio.run(Guard(Server(), 100, None, None)(scope, stuck, stuck))


def test_a_web_socket_is_closed() -> None:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(Guard(Server(), 100, None, None)({"type": "websocket"}, send, send))  # type: ignore[arg-type]
    assert said == [{"type": "websocket.close"}]
