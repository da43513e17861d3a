from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.runners import run_here


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that opens in spite of a mistake would be served for ever."""

    def start(*_: object) -> None:
        raise AssertionError("the page was opened")

    monkeypatch.setitem(sys.modules, "adain.demo.launch", SimpleNamespace(start=start))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["port=abc"], "port=abc is of the wrong type"),
        (["port=-1"], "port=-1 is too small"),
        (["prot=7861"], "did you mean port"),
        (["side=8"], "side=8 is too small"),
        (["decoder=nothing.pth", "port=0"], "nothing.pth"),
        (["host=192.0.2.1", "port=0"], "not an address of this machine"),
        (["url=paint.example.org", "port=0"], "give one such as https://"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], reason: str, tmp_path: Path) -> None:
    code, _, err = run_here("demo", tmp_path, *arguments)
    assert code == 1
    assert reason in err
    assert err.count("\n") == 1


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = run_here("demo", tmp_path, f"port={taken.getsockname()[1]}")
    assert code == 1
    assert re.fullmatch(r"error: port=\d+ is in use: give another, such as port=\d+\n", err)


@pytest.mark.slow  # 15 s: a process of its own, with torch and gradio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra demo")
    arguments = [sys.executable, "-m", "adain.cli.demo", "port=0", "decoder=reference", "device=cpu"]
    server = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        told = next(line for line in lines if "page is at" in line)
        assert re.search(r"http://127\.0\.0\.1:\d+/", told)
        server.send_signal(number)
        _, errors = server.communicate(timeout=30)
    finally:
        server.kill()
    assert server.returncode == 0
    assert errors == ""
    assert list(tmp_path.iterdir()) == []
