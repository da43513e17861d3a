"""The safety net itself: tests reach nothing outside, share helpers only, and are not skipped unseen."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adain.runtime.fetch import cache_folder
from tests.helpers.settings import ROOT, configs

ELSEWHERE = ["198.51.100.1", "2001:db8::1", "example.org"]


@pytest.mark.parametrize("host", ELSEWHERE)
def test_no_socket_reaches_another_machine(host: str) -> None:
    with pytest.raises(OSError, match=f"this machine only, not {host}"):
        socket.create_connection((host, 80), timeout=1)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        for connect in (one.connect, one.connect_ex):
            with pytest.raises(OSError, match=f"this machine only, not {host}"):
                connect((host, 80))


def test_no_child_reaches_another_machine() -> None:
    script = "import socket; socket.create_connection(('198.51.100.1', 80), timeout=1)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "this machine only, not 198.51.100.1" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_servers_on_this_machine_are_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_the_cache_stays_whatever_home_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cache_folder()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == before


def test_an_empty_group_of_configurations_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no configuration in conf/gone"):
        configs("gone")


def test_no_test_module_imports_another() -> None:
    """What two modules need moves to ``tests/helpers``."""
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "tests").rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\b(from|import) tests\.(\w+\.)*(test_|conftest)", line)
    ]
    assert lines == []


SKIPPING = """
import pytest
{module}
def test_it() -> None:
    pytest.skip("{reason}")
"""


@pytest.mark.parametrize(
    ("module", "reason", "ci", "refused"),
    [
        ("", "there is no chromium", "true", True),
        ("", "there is no chromium", "", False),
        ("", "permissions do not bind root", "true", False),
        ("pytest.importorskip('gone')", "", "true", True),
    ],
    ids=["a skip", "at home", "a listed skip", "a whole module"],
)
def test_a_skip_in_ci_is_a_failure(
    module: str, reason: str, ci: str, refused: bool, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(SKIPPING.format(module=module, reason=reason))
    done = pytester.runpytest("-p", "tests.conftest", "-p", "no:cacheprovider")
    assert ("in CI only the reasons in tests/conftest.py may skip" in done.stdout.str()) is refused
    assert (done.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)) is refused
