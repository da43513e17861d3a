"""Between the network and the page's server: whose requests are read, how much of them, and for how long."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_JSON = 4_000_000
"""Bytes of a request that is not an upload: a painted mask or a webcam's frame, and what goes with it."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_ANSWER = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_READ = frozenset(
    b"accept accept-encoding content-length content-type host if-modified-since if-none-match if-range range "
    b"user-agent".split()
)  # no forwarded host, cookie or token goes further
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", re.ASCII)
_STALLED, _BODY = 20, 300  # seconds that a sender or reader may pause, and that a body may take
_ROOM = {True: 256_000_000, False: 64_000_000}
"""Bytes of bodies on their way, by whether they are uploads. One visitor may take half."""


class Refused(Exception):
    """Report a request that is not served.

    Args:
        status: Of HTTP.
        text: A sentence for the visitor.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Guard:
    """ASGI middleware that only lets through requests of the page itself, of bounded size and pace.

    Args:
        app: The server behind it.
        max_upload: Bytes of an upload with its form.
        hosts: The only values of the Host header, or None where the page's names are not known.
        url: The page's address behind a reverse proxy, which then says who the visitor is; None without one.
    """

    def __init__(self, app: App, max_upload: int, hosts: frozenset[str] | None, url: str | None) -> None:
        self.app, self.max_upload, self.hosts, self.url = app, max_upload, hosts, url
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(url)) if url is not None else None
        self._coming: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        answered = False

        async def marked(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [*message.get("headers", ()), *_ANSWER]
            await asyncio.wait_for(send(message), _STALLED)

        try:
            headers = Headers(scope=scope)
            visitor = self._visitor(scope, headers)
            self._check_sender(scope, headers)
            size, upload = self._size(scope, headers)
            passed = {
                **scope,
                "client": (visitor, 0),
                "query_string": scope["query_string"] if scope["path"] == "/gradio_api/queue/data" else b"",
                "headers": [(name, value) for name, value in scope["headers"] if name in _READ],
            }
            async with self._room(visitor, size, upload):
                await self.app(passed, _paced(receive), marked)
        except Refused as refused:
            if not answered:
                await PlainTextResponse(refused.text, refused.status, {"connection": "close"})(scope, receive, marked)
        except TimeoutError:
            pass  # a reader that does not read: the connection is closed

    def _visitor(self, scope: Message, headers: Headers) -> str:
        forwarded = headers.getlist("x-forwarded-for") if self.url else []
        if forwarded:  # the last is what our proxy saw; a visitor may have written those before it
            return forwarded[-1].rpartition(",")[2].strip()
        return str((scope.get("client") or ("",))[0])

    def _check_sender(self, scope: Message, headers: Headers) -> None:
        host = headers.get("host", "")
        if (self.hosts is not None and host.lower() not in self.hosts) or not _HOST.fullmatch(host):
            raise Refused(400, "This page has another address.")
        if scope["path"] == "/" and scope["method"] == "GET":
            return  # a link on another site may lead here
        own = (None, f"http://{host}", self.origin)
        if headers.get("origin") not in own or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "Only this page itself may ask for that.")

    def _size(self, scope: Message, headers: Headers) -> tuple[int, bool]:
        """Return how many bytes follow, and whether they are an upload."""
        upload = scope["path"] == "/gradio_api/upload"
        most = 0 if scope["method"] in ("GET", "HEAD") else self.max_upload if upload else MAX_JSON
        declared = headers.get("content-length", "0" if not most else "")
        if "transfer-encoding" in headers or not declared:
            raise Refused(411, "Say how long the request is: Content-Length.")
        if not (declared.isascii() and declared.isdigit() and len(declared) < 16 and int(declared) <= most):
            raise Refused(413, f"This is too large: give at most {most} bytes.")
        return int(declared), upload

    @asynccontextmanager
    async def _room(self, visitor: str, size: int, upload: bool) -> Any:
        """Wait until as many bytes may come."""
        coming, most = self._coming[upload], _ROOM[upload]
        gives_up = asyncio.get_running_loop().time() + _STALLED
        while coming[visitor] + size > most // 2 or coming.total() + size > most:
            if asyncio.get_running_loop().time() > gives_up:
                raise Refused(503, "Too much is being sent at once: try again in a minute.")
            await asyncio.sleep(0.05)
        coming[visitor] += size
        try:
            yield
        finally:
            coming[visitor] -= size
            if not coming[visitor]:
                del coming[visitor]


def _paced(receive: Receive) -> Receive:
    """Give up on a body that stops coming, or takes too long in all."""
    ends = asyncio.get_running_loop().time() + _BODY
    whole = False

    async def paced() -> Message:
        nonlocal whole
        if whole:  # what comes now is that the visitor has gone
            return await receive()
        try:
            async with asyncio.timeout_at(min(ends, asyncio.get_running_loop().time() + _STALLED)):
                message = await receive()
        except TimeoutError:
            raise Refused(408, "The request took too long to arrive.") from None
        whole = not message.get("more_body", False)
        return message

    return paced
