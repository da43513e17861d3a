"""Where the page's server listens, keeps its files, and how it ends."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from urllib.parse import urlsplit

from adain.runtime.errors import InputError
from adain.runtime.signals import ENDING, SignalHandlers

_TRIED = 200  # ports above one that is taken


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port; on any free one for 0. Who connects waits until the page is served.

    Raises:
        InputError: If the port is taken, with the next that is free, or if the host is not of this machine.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port={port} is not allowed: give 1 to 65535, or 0 for any that is free")
    try:
        return _listening(host, port)
    except socket.gaierror:
        raise InputError(f"host={host} is unknown: give 127.0.0.1, or an address of this machine") from None
    except PermissionError:
        raise InputError(
            f"port={port} is not for ordinary users: give one of 1024 or more, such as port=7860"
        ) from None
    except OSError as error:
        if error.errno is not None and os.strerror(error.errno) == os.strerror(99):  # EADDRNOTAVAIL
            raise InputError(f"host={host} is not an address of this machine: give 127.0.0.1, or one that is") from None
    for other in range(port + 1, min(port + _TRIED, 65536)):
        try:
            _listening(host, other).close()
        except OSError:
            continue
        raise InputError(f"port={port} is in use: give another, such as port={other}")
    raise InputError(f"port={port} is in use, and so are those after it: give port=0 for any that is free")


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def check_url(url: str | None) -> None:
    """Refuse what is not the address of a page.

    Raises:
        InputError: If it does not start with http:// or https:// and a name.
    """
    parts = urlsplit(url or "http://localhost")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise InputError(f"url={url} is not the address of a page: give one such as https://paint.example.org")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server on this host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def signaled() -> threading.Event:
    """Return an event that Ctrl-C and a request to end the process set, in place of ending it at once."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    SignalHandlers(end, ENDING)
    return ended


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a folder for uploads and results that goes with the server, and gradio kept from asking anything elsewhere.

    To be entered before gradio is imported.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # also the check for a newer version
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in ("NO_PROXY", "no_proxy"):  # gradio asks itself whether it is up, through the proxy if there is one
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,::1"]))
    with TemporaryDirectory(prefix="adain-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield Path(folder).resolve()
