"""The page on a port."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from uvicorn.protocols.http.h11_impl import H11Protocol

from adain.demo.doors import doors, tell
from adain.demo.files import Files
from adain.demo.guard import App, Guard, Refused
from adain.demo.line import Line
from adain.demo.page import CSS, HEAD, THEME, build
from adain.demo.server import is_loopback
from adain.demo.studio import Studio

_FORM = 100_000  # bytes of an upload beside its file
_CONNECTIONS = 512  # in all; each needs a file descriptor, of which there are often 1024
_ONE_ADDRESS = 256  # connections
_LOOKED_AT = 5  # seconds; a request's head must be there after two looks


def start(
    studio: Studio, host: str, bound: socket.socket, folder: Path, decoder: str, url: str | None = None
) -> gr.Blocks:
    """Serve the page in threads of its own; ``close()`` ends it.

    Args:
        studio: What does the work.
        host: As it was given to ``server.listen``.
        bound: The socket that it returned.
        folder: Of ``server.work_folder``.
        decoder: Its name, shown on the page.
        url: Where visitors find the page, if they come through a reverse proxy.
    """
    port, files = bound.getsockname()[1], Files(folder)
    page = build(studio, files, str(studio.stylizer.device), decoder)
    page.queue(default_concurrency_limit=1)
    line = Line(page._queue)

    async def keep_house() -> None:
        while True:
            await line.drop_unheard()
            if int(time.monotonic()) % 300 == 0:
                await run_in_threadpool(files.trim)
            await asyncio.sleep(1)

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        house = asyncio.create_task(keep_house())
        yield
        house.cancel()

    app = Starlette(lifespan=living, exception_handlers={Refused: tell, ClientDisconnect: tell})
    gr.mount_gradio_app(
        app, page, "/", server_name=host, server_port=port, root_path=url, max_file_size=studio.limits.max_bytes,
        ssr_mode=False, mcp_server=False, pwa=False, run_history=False, enable_monitoring=False, show_error=False,
        footer_links=[], theme=THEME, css=CSS, head=HEAD,
    )  # fmt: skip
    inner = cast(Mount, app.router.routes[-1]).app
    app.router.routes = [*doors(page, inner, files, line, studio.limits.max_bytes)]
    app.router.redirect_slashes = False
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", host)} | {urlsplit(url or "").netloc}
    guard = Guard(app, studio.limits.max_bytes + _FORM, frozenset(hosts) if url or is_loopback(host) else None, url)
    served = cast(Any, page)
    served.app = inner  # for ``close()``
    served.server = _Server(guard, bound)
    served.local_url, served.is_running = f"http://{'localhost' if host == '0.0.0.0' else host}:{port}/", True
    return page


class _Server(uvicorn.Server):
    """A server in a thread of its own, as gradio's ``close()`` ends it."""

    def __init__(self, app: App, bound: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=_Connection, ws="none", log_level="error", proxy_headers=False, server_header=False,
                limit_concurrency=_CONNECTIONS, timeout_keep_alive=5, timeout_graceful_shutdown=2,
            )
        )  # fmt: skip
        self.thread = threading.Thread(target=self.run, args=([bound],), daemon=True)
        self.thread.start()
        while not self.started and self.thread.is_alive():
            time.sleep(0.005)

    def close(self) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # pages that are still open are no error
        self.should_exit = True
        self.thread.join(timeout=5)


class _Connection(H11Protocol):
    """An HTTP connection that is closed after ten seconds without a whole request's head or an answer under way.

    uvicorn has no limit for those that are slow to say what they want.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the connection from now on, or close it at once if its address has too many."""
        super().connection_made(transport)
        same = sum(isinstance(other, _Connection) and _address(other) == _address(self) for other in self.connections)
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
