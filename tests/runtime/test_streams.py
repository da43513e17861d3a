"""Output whose reader goes away is dropped, and the work goes on."""

from __future__ import annotations

import io
import os
import sys

import pytest

from adain.runtime import streams


def pipe(monkeypatch: pytest.MonkeyPatch, name: str, encoding: str = "utf-8") -> int:
    """Make a standard stream a pipe; return the end that is read."""
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(io.FileIO(writing, "w"), encoding, write_through=True)
    monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(sys, f"__{name}__", stream)
    streams.keep_writing()
    return reading


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_nobody_reads_is_dropped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = pipe(monkeypatch, name)
    print("made", file=getattr(sys, name), flush=True)
    assert os.read(reading, 100) == b"made\n"
    os.close(reading)
    for _ in range(2):
        print("not read", file=getattr(sys, name), flush=True)


def test_a_terminal_that_is_gone_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    kept = streams._Outliving(follower, "w")
    os.close(leader)
    assert kept.write(b"training") == 8


def test_a_full_disk_is_still_an_error() -> None:
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space"):
        streams._Outliving(full.fileno(), "w", closefd=False).write(b"x")


def test_a_captured_stream_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)
    streams.keep_writing()
    assert sys.stdout is captured


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", b"caf\xe9 \xe2\x82\xac"), ("ascii", b"caf\xe9 \\u20ac"), ("latin-1", b"caf\xe9 \\u20ac")],
)
def test_a_file_name_outside_the_encoding_is_printed(
    encoding: str, shown: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = pipe(monkeypatch, "stdout", encoding)
    print("caf\udce9 €", flush=True)
    assert os.read(reading, 100) == shown + b"\n"
    os.close(reading)
