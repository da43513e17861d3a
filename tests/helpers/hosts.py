"""Two hosts on this machine: network namespaces with addresses of their own, joined by a virtual cable."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ADDRESSES = ("10.93.7.1", "10.93.7.2")


def ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True)


@contextlib.contextmanager
def two_hosts() -> Iterator[list[str]]:
    """The names of two hosts."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command (apt-get install iproute2)")
    names = [f"adain{os.getpid()}{letter}" for letter in "ab"]
    cables = [f"ad{os.getpid() % 100000}{letter}" for letter in "ab"]
    try:
        for name in names:
            if (made := ip("netns", "add", name)).returncode:
                pytest.skip(f"network namespaces cannot be made here: {made.stderr.strip()}")
        if (made := ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])).returncode:
            pytest.skip(f"virtual cables cannot be made here: {made.stderr.strip()}")
        for name, cable, address in zip(names, cables, ADDRESSES, strict=True):
            ip("link", "set", cable, "netns", name, "name", "cable")
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            kill(inside(name))
            ip("netns", "del", name)


def inside(host: str) -> list[int]:
    """The processes of a host."""
    return [int(pid) for pid in ip("netns", "pids", host).stdout.split()]


def title(pid: int) -> bytes:
    """The command line of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def vanish(host: str) -> None:
    """A host loses its cable and its processes at once, so that no connection is closed."""
    ip("-n", host, "link", "set", "cable", "down")
    kill(inside(host))


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Signal those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
