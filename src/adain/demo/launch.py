"""The page on a port: limits, queue and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from adain.demo.guard import Guard
from adain.demo.page import CSS, HEAD, THEME, build
from adain.demo.server import is_loopback
from adain.demo.studio import Studio
from adain.runtime.errors import UserError

_WAITING = 60  # visitors in the queue; more are told to come back
_REQUEST_ROOM = 2_000_000  # bytes of a request beside a file: its form, or the painted mask


def start(studio: Studio, host: str, port: int, folder: Path, decoder: str) -> gr.Blocks:
    """Serve the page in threads of its own; ``close()`` ends it.

    Args:
        studio: What does the work.
        host: To listen on.
        port: Likewise; a free one.
        folder: Of ``server.work_folder``.
        decoder: Its name, shown on the page.

    Raises:
        UserError: If another program took the port meanwhile.
    """
    page = build(studio, folder, str(studio.stylizer.device), decoder)
    page.queue(max_size=_WAITING, default_concurrency_limit=1)
    # a snapshot or frame comes as base64, a third longer
    guards = [Middleware(Guard, max_body=studio.limits.max_bytes * 4 // 3 + _REQUEST_ROOM)]
    if is_loopback(host):  # another site whose name is made to point here has another name in the header
        guards.append(Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", host]))
    try:
        page.launch(
            server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, share=False, ssr_mode=False,
            mcp_server=False, pwa=False, run_history=False, enable_monitoring=False, show_error=False, footer_links=[],
            max_file_size=studio.limits.max_bytes, app_kwargs={"middleware": guards}, theme=THEME, css=CSS, head=HEAD,
            allowed_paths=[], blocked_paths=[],
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"port={port} could not be opened ({error}): give another") from None
    return page
