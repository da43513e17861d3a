"""The page under attack, from the loopback: what is refused, in which words, and what stays."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.helpers.demo import Served
from tests.helpers.pictures import draw
from tests.helpers.runners import wait_until

httpx = pytest.importorskip("httpx", reason="comes with gradio, of the extra demo")
WEB = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
JSON = {"content-type": "application/json"}
META = {"_type": "gradio.FileData"}
REST = [None, None, None, 1, 1, 1, 1, 1.0, "none", "photograph", ""]


@pytest.fixture
def ear() -> Iterator[tuple[str, list[str]]]:
    """Another server's address, and what it was asked."""
    asked: list[str] = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x.jpg", asked
    server.shutdown()


@pytest.fixture
def uploaded(served: Served, tmp_path: Path) -> str:
    data = draw(tmp_path / "s.png", 1).read_bytes()
    answer = WEB.post(f"{served.url}gradio_api/upload", files={"files": ("my sea.png", data)})
    path: str = answer.json()[0]
    return path


def call(served: Served, *data: Any) -> Any:
    return WEB.post(f"{served.url}gradio_api/call/stylize", content=json.dumps({"data": data}), headers=JSON)


def heard(served: Served, event: str) -> str:
    return str(WEB.get(f"{served.url}gradio_api/call/stylize/{event}", timeout=60).text)


def kept(served: Served) -> int:
    return sum(path.stat().st_size for path in served.folder.rglob("*") if path.is_file())


def connect(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


@pytest.mark.parametrize(
    "name",
    ["../../x.jpg", "..%2f..%2fx.jpg", "/etc/x.jpg", "a\\..\\..\\x.jpg", "x" * 400 + ".jpg", "..", "\x00.jpg", ""],
)
def test_a_path_in_the_name_stays_in_the_folder(name: str, served: Served, tmp_path: Path) -> None:
    data = draw(tmp_path / "a.jpg", 1).read_bytes()
    answer = WEB.post(f"{served.url}gradio_api/upload", files={"files": (name, data)})
    assert answer.status_code < 500
    for path in answer.json() if answer.status_code == 200 else []:
        assert Path(path).resolve().is_relative_to(served.folder)
        assert Path(path).is_file()
    assert not (served.folder.parent / "x.jpg").exists()


@pytest.mark.parametrize("route", ["upload", "call/stylize"])
def test_requests_beyond_the_limit_are_refused_unread(route: str, served: Served) -> None:
    before = kept(served)
    for length in ("Content-Length: 99999999", "Transfer-Encoding: chunked", "Content-Length: 9" + "9" * 40, "X: y"):
        with connect(served) as line:
            line.sendall(f"POST /gradio_api/{route} HTTP/1.1\r\nHost: {line_host(served)}\r\n{length}\r\n\r\n".encode())
            assert re.match(rb"HTTP/1.1 4(00|11|13)", line.recv(1000))
    assert kept(served) == before


def line_host(served: Served) -> str:
    return urlsplit(served.url).netloc


def test_addresses_are_never_fetched(served: Served, ear: tuple[str, list[str]], uploaded: str, tmp_path: Path) -> None:
    url, asked = ear
    for path in (
        f"file={url}",
        f"file/{url}",
        f"proxy={url}",
        f"file=//{url[7:]}",
        "file=http:" + url[5:].replace("/", "%2f"),
    ):
        assert WEB.get(f"{served.url}gradio_api/{path}").status_code == 404
    answer = call(served, {"path": uploaded, "meta": META}, {"path": uploaded, "meta": META}, *REST)
    assert "event: complete" in heard(served, answer.json()["event_id"])  # else the rest would prove nothing
    for path in (url, str(tmp_path / "s.png"), "/etc/passwd", f"{uploaded}/../../../x", "\ud800", "a\0b", "x" * 9000):
        for given in ({"path": path}, {"path": path, "url": url, "meta": META}):
            answer = call(served, given, {"path": uploaded, "meta": META}, *REST)
            assert answer.status_code == 422
            assert "Upload it again" in answer.json()["error"]
    call(served, {"path": None, "url": url, "meta": META}, *REST)
    assert asked == []


def test_gradios_other_routes_are_closed(served: Served) -> None:
    gradio = pytest.importorskip("gradio")
    ours = re.compile(
        r"/(|config|theme\.css|favicon\.ico|robots\.txt|assets/.*|static/.*|gradio_api/(info|startup-events|heartbeat/.*|"
        r"file=.*|upload|upload_progress|queue/join|queue/data|call/stylize(/.*)?|stream/[^/]*(/close)?))"
    )
    with gradio.Blocks(analytics_enabled=False) as blocks:
        pass
    listed = gradio.routes.App.create_app(blocks.queue()).routes
    routes = [one for route in listed for one in getattr(getattr(route, "original_router", None), "routes", [route])]
    closed = set()
    for route in routes:
        path = re.sub(r"\{\w+(:path)?\}", "x", getattr(route, "path", ""))
        if not ours.fullmatch(path):
            closed.add(path)
            answers = {WEB.request(method, served.url.rstrip("/") + path).status_code for method in route.methods}
            assert answers <= {404, 405}, path
    assert {"/gradio_api/run/x", "/gradio_api/proxy=x", "/gradio_api/component_server", "/monitoring"} <= closed
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert WEB.request(method, served.url).status_code in (405, 411)


def test_private_events_have_no_name(served: Served) -> None:
    for name, kind in itertools.product(
        ("accept", "choose_painting", "paint_live", "stylize"), ("call", "api", "run", "call/v2")
    ):
        answer = WEB.post(f"{served.url}gradio_api/{kind}/{name}", json={"data": []})
        assert answer.status_code == (200 if (kind, name) == ("call", "stylize") else 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "OWN"}, 200),
        ({"origin": "OWN", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://127.0.0.1:1"}, 403),  # another program's page on this machine
        ({"origin": "http://localhost"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example"}, 400),
        ({"host": "127.0.0.1"}, 400),
    ],
)
def test_other_sites_may_not_upload(headers: dict[str, str], status: int, served: Served, tmp_path: Path) -> None:
    given = {name: value.replace("OWN", served.url.rstrip("/")) for name, value in headers.items()}
    before = kept(served)
    answer = WEB.post(f"{served.url}gradio_api/upload", files={"files": b"12345"}, headers=given)
    assert answer.status_code == status
    assert kept(served) == before + (5 if status == 200 else 0)
    if "host" not in headers:
        assert WEB.get(served.url, headers=given).status_code == 200  # a link there may lead here


def test_forwarded_hosts_are_not_reflected_and_the_policy_is_strict(served: Served) -> None:
    names = (
        "x-forwarded-host",
        "x-forwarded-server",
        "forwarded",
        "x-original-host",
        "x-gradio-server",
        "x-direct-url",
    )
    answer = WEB.get(served.url, headers={**dict.fromkeys(names, "host=evil.example"), "x-forwarded-proto": "gopher"})
    assert "evil.example" not in answer.text
    assert "gopher" not in answer.text
    assert "http" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


def test_an_upload_that_breaks_off_leaves_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adain.demo.guard._STALLED", 0.2)
    before = kept(served)
    for gone in (True, False):
        with connect(served) as line:
            head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {line_host(served)}\r\nContent-Length: 1900000\r\n"
            part = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
            line.sendall(
                f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{part}".encode() + b"0" * 1_500_000
            )
            if not gone:  # it stays and sends no more
                assert line.recv(1000).startswith(b"HTTP/1.1 408")
    wait_until(lambda: kept(served) == before)


def test_a_slow_head_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adain.demo.launch._LOOKED_AT", 0.05)
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "):
        with connect(served) as line:
            line.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                assert line.recv(100) == b""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"fn_index": 999}, "fn_index"),
        ({"fn_index": -1}, "fn_index"),
        ({"fn_index": "0"}, "fn_index"),
        ({"fn_index": True}, "fn_index"),
        ({"fn_index": None}, "fn_index"),
        ({"fn_index": {"a": []}}, "fn_index"),
        ({"session_hash": None}, "session_hash"),
        ({"session_hash": "x" * 1000}, "session_hash"),
        ({"session_hash": ["a"]}, "session_hash"),
        ({"data": None}, "data must be a list"),
        ({"data": "abc"}, "data must be a list"),
        ({"data": [1] * 99}, "data must be a list"),
        ({"data": [1]}, "photograph: give an uploaded picture"),
        ({"data": [None, "a.jpg"]}, "style 1: give an uploaded picture"),
        ({"data": [*[None] * 5, "1"]}, "Share of style 1: give a number from 0 to 1"),
        ({"data": [*[None] * 5, 10**400]}, "Share of style 1: give a number from 0 to 1"),
        ({"data": [*[None] * 5, 1, 1, 1, 1, float("nan")]}, "Strength: give a number from 0 to 1"),
        ({"data": [*[None] * 5, 1, 1, 1, 1, 1, ["sepia"]]}, "Colors: give one of none, coral, luminance"),
        ({"data": [*[None] * 5, 1, 1, 1, 1, 1, "none", "mix", 7]}, "paint: give a text"),
    ],
)
def test_wrong_calls_are_told_in_a_sentence(change: dict[str, Any], told: str, served: Served) -> None:
    number = next(fn._id for fn in served.page.fns.values() if fn.api_name == "stylize")
    body = {"fn_index": number, "session_hash": "abc", "data": [], **change}
    answer = WEB.post(f"{served.url}gradio_api/queue/join", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert len(answer.text) < 500


@pytest.mark.parametrize(
    "body",
    [
        b"{" * 2_000_000,
        b'"' + b"x" * 2_000_000,
        b'"' + b"x" * 2_000_000 + b'"',
        b'{"data": "' + b"x" * 2_000_000 + b'"}',
        b"[" * 2_000_000,
        b"\xff",
        b"",
        b"[]",
        b"9" * 9999,
    ],
)
def test_bad_json_is_refused_and_not_logged(body: bytes, served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    for route in ("queue/join", "call/stylize"):
        answer = WEB.post(f"{served.url}gradio_api/{route}", content=body, headers=JSON)
        assert answer.status_code in (400, 422)
        assert len(answer.text) < 500
    out, err = capfd.readouterr()
    assert len(out + err) < 500


def test_a_mistake_in_a_call_is_told_in_the_pages_words(served: Served, uploaded: str) -> None:
    told = heard(served, call(served).json()["event_id"])
    assert "There is no photograph yet" in told
    picture = {"path": uploaded, "meta": META}
    told = heard(served, call(served, picture, picture, *REST[:-1], "no url").json()["event_id"])
    assert "clear it and paint again" in told


def test_a_fault_of_ours_is_told_without_details(
    served: Served, uploaded: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(served.studio, "stylize", broken)
    told = heard(served, call(served, {"path": uploaded, "meta": META}).json()["event_id"])
    assert "This is our mistake" in told
    assert "secret" not in told
    assert "RuntimeError: secret" in capfd.readouterr().err


def test_results_are_named_after_the_photograph(served: Served, uploaded: str) -> None:
    picture = {"path": uploaded, "meta": META}
    told = heard(served, call(served, picture, picture).json()["event_id"])
    assert "/my sea.png" in told
    assert "/my sea-painted.png" in told


@pytest.mark.slow  # 3 s; its fast siblings are in test_line.py
def test_those_whom_nobody_listens_to_make_room(served: Served, uploaded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """75 calls without a listener lock nobody out, neither from painting nor from choosing a photograph, and do not run."""
    begun: list[int] = []
    free = threading.Event()

    def waits(*_: Any, **__: Any) -> Any:
        begun.append(1)
        assert free.wait(60)
        raise RuntimeError

    plain = served.studio.stylize
    monkeypatch.setattr(served.studio, "stylize", waits)
    picture = {"path": uploaded, "meta": META}
    for _ in range(75):
        assert call(served, picture, picture, *REST).status_code == 200
    mine = call(served, picture, picture).json()["event_id"]
    answers: list[str] = []
    listener = threading.Thread(target=lambda: answers.append(heard(served, mine)))
    listener.start()
    accept = next(fn._id for fn in served.page.fns.values() if fn.fn.__name__ == "accept")
    body = {"fn_index": accept, "session_hash": "chooses", "data": [picture]}
    assert WEB.post(f"{served.url}gradio_api/queue/join", json=body).status_code == 200
    told = WEB.get(f"{served.url}gradio_api/queue/data", params={"session_hash": "chooses"}, timeout=30).text
    assert "96 x 72 pixels" in told  # while a picture is being painted and others wait
    assert begun == [1]
    monkeypatch.setattr("adain.demo.line._GRACE", 0)
    wait_until(lambda: len(served.page._queue) <= 1)
    monkeypatch.setattr(served.studio, "stylize", plain)
    free.set()
    listener.join(60)
    assert "event: complete" in answers[0]
    assert begun == [1]


def test_a_stranger_to_the_queue_is_told(served: Served) -> None:
    for path in ("queue/data?session_hash=nobody", "call/stylize/nobody"):
        answer = WEB.get(f"{served.url}gradio_api/{path}", timeout=10)
        assert answer.status_code == 404
        assert "ask again" in answer.json()["error"]
    answer = WEB.post(f"{served.url}gradio_api/stream/nobody", json={"data": []})
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["assets/..%2f..%2froutes.py", "static/../../routes.py", "assets//etc/passwd"])
def test_other_ways_to_files_are_closed(path: str, served: Served) -> None:
    assert WEB.get(served.url + path).status_code in (403, 404)
    assert '"deep_link_state":"none"' in WEB.get(f"{served.url}?deep_link=x").text  # gradio would look for a file


def test_an_upload_without_files_is_told(served: Served) -> None:
    for content, kind in (
        (b"{}", "application/json"),
        (b"--x--", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
    ):
        answer = WEB.post(f"{served.url}gradio_api/upload", content=content, headers={"content-type": kind})
        assert answer.status_code in (400, 422)


def test_uploaded_pages_are_downloads(served: Served) -> None:
    for name in ("a.html", "a.svg", "a.xhtml", "a.js", "a"):
        path = WEB.post(f"{served.url}gradio_api/upload", files={"files": (name, b"<script>alert(1)</script>")}).json()[
            0
        ]
        answer = WEB.get(f"{served.url}gradio_api/file={path}")
        assert answer.headers["content-disposition"] == "attachment"
        assert answer.headers["x-content-type-options"] == "nosniff"
