"""The pictures of a benchmark: found, fetched and checked, or said to be missing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from adain.data import benchmark
from adain.data.benchmark import digests, find_benchmark
from adain.runtime.errors import InputError
from adain.runtime.fetch import FetchError

FILES = {"cnt/00.png": b"photograph", "sty/00.png": b"painting"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a benchmark of two small files."""
    monkeypatch.setenv("ADAIN_CACHE", str(tmp_path / "cache"))
    known = {path: hashlib.sha256(data).hexdigest() for path, data in FILES.items()}
    monkeypatch.setattr(benchmark, "digests", lambda name: known)
    return tmp_path / "cache"


def write(folder: Path) -> Path:
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_the_package_knows_sixty_pictures() -> None:
    known = digests("styleid800")
    assert sorted(known) == [*(f"cnt/{i:02}.png" for i in range(20)), *(f"sty/{i:02}.png" for i in range(40))]
    assert all(len(digest) == 64 for digest in known.values())
    assert len(set(known.values())) == 60


def test_a_given_folder_is_checked(cache: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "given")
    assert find_benchmark("styleid800", str(folder)) == folder
    (folder / "sty/00.png").write_bytes(b"another")
    with pytest.raises(InputError, match=r"sty/00\.png is not the picture of styleid800: get https://raw"):
        find_benchmark("styleid800", str(folder))
    (folder / "cnt/00.png").unlink()
    with pytest.raises(
        InputError, match=r"lacks cnt/00\.png of styleid800: get it from https://raw.*/data/cnt/00\.png"
    ):
        find_benchmark("styleid800", str(folder))


def test_missing_pictures_are_fetched_by_their_addresses(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(url: str, target: Path, sha256: str) -> Path:
        asked.append((url.rpartition("/data/")[2], sha256))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(FILES[asked[-1][0]])
        return target

    monkeypatch.setattr(benchmark, "download", download)
    folder = write(cache / "styleid800")
    (folder / "sty/00.png").write_bytes(b"cut short")
    assert find_benchmark("styleid800", None) == folder
    assert asked == [("sty/00.png", hashlib.sha256(FILES["sty/00.png"]).hexdigest())]
    assert find_benchmark("styleid800", None) == folder
    assert len(asked) == 1  # nothing is fetched twice


def test_without_a_network_it_says_what_to_put_where(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise FetchError("00.png from its release: no network")

    monkeypatch.setattr(benchmark, "download", fail)
    with pytest.raises(InputError, match="2 of 2 pictures .* no network") as caught:
        find_benchmark("styleid800", None)
    assert f"put them into {cache / 'styleid800'}" in str(caught.value)
    assert "benchmark.pictures=FOLDER" in str(caught.value)
