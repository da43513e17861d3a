"""Between the network and the page's server: the size of requests, and where the page's browser may go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
# gradio's own tools, for which this page has no use: ffmpeg over uploads, a proxy, an editor of the app's source
_CLOSED = ("process_recording", "proxy=", "vibe-", "undo-vibe-", "dev/", "component_server", "deep_link")


class Guard:
    """ASGI middleware: requests with too long a body are refused before it is read, and pages load from here only.

    Args:
        app: The server behind it.
        max_body: Bytes of one request, all its files together.
    """

    def __init__(self, app: App, max_body: int) -> None:
        self.app, self.max_body = app, max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix("/gradio_api").lstrip("/")
        if path.startswith(_CLOSED):
            await _refuse(send, 404, "not here")
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.max_body:
            await _refuse(send, 413, f"too large: at most {self.max_body} bytes")
            return
        taken, answered = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            # a body without a declared length that grows too long ends as if its sender had gone
            return {"type": "http.disconnect"} if taken > self.max_body else message

        async def marked(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        try:
            await self.app(scope, counted, marked)
        except Exception:
            if taken <= self.max_body or answered:
                raise
            await _refuse(send, 413, f"too large: at most {self.max_body} bytes")


async def _refuse(send: Send, status: int, text: str) -> None:
    body = text.encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
