"""The scan before a long run: its results, its cache, and that training is the same with and without it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from adain.data import scan as scanning
from adain.data import sources
from adain.data.picture import MAX_PIXELS, PictureError, read_picture
from adain.data.scan import exact_duplicates, examine, is_gray, scan
from adain.data.scan_cache import ScanCache, ScanResult, bad_pictures, conditions
from adain.data.sources import FolderSource, Place
from adain.runtime.errors import InputError
from tests.helpers.pictures import smooth

Folder = Callable[..., Path]
UNDER = conditions(MAX_PIXELS, 16)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Return a folder of 12 good pictures, a truncated, an empty and a tiny one, and a text file named as a picture."""
    root = tmp_path / "mixed"
    root.mkdir()
    for seed in range(12):
        smooth(seed, (96, 96)).save(root / f"good_{seed:02d}.jpg")
    data = (root / "good_00.jpg").read_bytes()
    (root / "cut.jpg").write_bytes(data[: len(data) // 2])
    (root / "empty.png").touch()
    (root / "text.png").write_text("no picture")
    smooth(1, (8, 8)).save(root / "tiny.png")
    return root


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[ScanCache]:
    made = ScanCache(tmp_path / "doctor" / "manifest.sqlite")
    yield made
    made.close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scan in this process; return the names of the files that were examined."""
    looked: list[str] = []

    def serial(
        paths: list[str], max_pixels: int, min_side: int, workers: int
    ) -> Iterator[tuple[str, ScanResult | str]]:
        for path in paths:
            looked.append(Path(path).name)
            yield path, examine(path, max_pixels, min_side)

    monkeypatch.setattr(scanning, "_in_parallel", serial)
    return looked


def names(root: Path) -> list[str]:
    return FolderSource(str(root)).names


# --- results --------------------------------------------------------------------------------------------------------


def test_worker_processes_report_the_reasons_of_training(mixed: Path, manifest: ScanCache) -> None:
    done: list[int] = []
    found, unread = scan(names(mixed), manifest, MAX_PIXELS, 16, 2, done.append)
    assert sum(done) == len(found) == 16
    assert not unread
    for path, seen in found.items():
        assert seen.reason == _reason_in_training(path)
        if seen.reason is None:
            assert (seen.width, seen.height) == (96, 96)
    assert sum(seen.reason is not None for seen in found.values()) == 4


def _reason_in_training(path: str) -> str | None:
    try:
        read_picture(Path(path), 64, MAX_PIXELS, 16)
    except PictureError as error:
        return str(error)
    return None


@pytest.mark.parametrize("short_side", [16, 64, 96, 300, None])
@pytest.mark.parametrize("progressive", [True, False])
def test_a_truncated_jpeg_is_found_at_any_size(short_side: int | None, progressive: bool, tmp_path: Path) -> None:
    """The scan decodes JPEG files at a reduced size, which must still read them to the end."""
    smooth(0, (512, 512)).save(tmp_path / "a.jpg", quality=95, progressive=progressive)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: int(len(data) * 0.95)])
    with pytest.raises(PictureError):
        read_picture(tmp_path / "a.jpg", short_side)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_picture_that_crashes_its_process_is_named_and_the_others_are_scanned(
    mixed: Path, manifest: ScanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_examine_all", _killed_by_good_05)
    found, _ = scan(names(mixed), manifest, MAX_PIXELS, 16, 2)
    assert len(found) == 16
    assert [Path(s.path).name for s in found.values() if s.reason == scanning.CRASHED] == ["good_05.jpg"]


def _killed_by_good_05(paths: list[str], max_pixels: int, min_side: int) -> list[tuple[str, ScanResult | str]]:
    if any(path.endswith("good_05.jpg") for path in paths):
        os.kill(os.getpid(), 9)
    return [(path, examine(path, max_pixels, min_side)) for path in paths]


def test_files_that_cannot_be_read_now_are_reported_but_not_cached(
    mixed: Path, manifest: ScanCache, here: list[str]
) -> None:
    (mixed / "gone.jpg").symlink_to(mixed / "nowhere.jpg")
    found, unread = scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    assert unread == {str(mixed / "gone.jpg"): "No such file or directory"}
    assert str(mixed / "gone.jpg") not in found
    assert not manifest.known([str(mixed / "gone.jpg")], UNDER)


@pytest.mark.parametrize(
    ("picture", "gray"),
    [
        (smooth(1, (96, 96)), False),
        (smooth(1, (96, 96)).convert("L").convert("RGB"), True),
        (Image.new("RGB", (64, 64), (90, 93, 90)), True),
        (Image.new("RGB", (64, 64), (112, 66, 20)), False),
    ],
    ids=["color", "gray", "nearly gray", "sepia"],
)
def test_gray(picture: Image.Image, gray: bool) -> None:
    assert is_gray(picture) is gray


def test_copies_are_exact_duplicates_only(mixed: Path, manifest: ScanCache, here: list[str]) -> None:
    (mixed / "copy.jpg").write_bytes((mixed / "good_03.jpg").read_bytes())
    found, _ = scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    good = [s for s in found.values() if s.reason is None]
    assert [sorted(Path(p).name for p in group) for group in exact_duplicates(good)] == [["copy.jpg", "good_03.jpg"]]


# --- the cache ------------------------------------------------------------------------------------------------------


def test_different_files_of_one_size_are_no_copies() -> None:
    digests = {"a": b"1", "b": b"2", "c": b"1", "empty": b""}
    found = [ScanResult(path, 100 * (path != "empty"), 0, "", None, digest=digest) for path, digest in digests.items()]
    assert exact_duplicates(found) == [["a", "c"]]


def test_a_second_scan_examines_only_changed_files(mixed: Path, manifest: ScanCache, here: list[str]) -> None:
    first, _ = scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    here.clear()
    assert scan(names(mixed), manifest, MAX_PIXELS, 16, 1)[0] == first
    assert here == []
    smooth(99, (96, 96)).save(mixed / "cut.jpg")
    os.utime(mixed / "good_01.jpg", ns=(1, 1))
    smooth(98, (96, 96)).save(mixed / "new.jpg")
    found, _ = scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    assert sorted(here) == ["cut.jpg", "good_01.jpg", "new.jpg"]
    assert found[str(mixed / "cut.jpg")].reason is None


TABLE_OF_0_1 = """create table pictures (
    path text primary key, size integer, changed integer, conditions text, reason text,
    width integer, height integer, grey integer, digest blob, look blob)"""


def test_a_manifest_of_version_0_1_can_be_read_and_extended(mixed: Path, tmp_path: Path, here: list[str]) -> None:
    new, old = ScanCache(tmp_path / "new.sqlite"), tmp_path / "old.sqlite"
    found, _ = scan(names(mixed), new, MAX_PIXELS, 16, 1)
    with sqlite3.connect(old) as base:
        base.execute(TABLE_OF_0_1)
        base.executemany("insert into pictures values (?,?,?,?,?,?,?,?,?,'hash')", found.values())
    base.close()
    here.clear()
    smooth(97, (96, 96)).convert("L").save(mixed / "new.jpg")
    manifest = ScanCache(old)
    again, _ = scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    assert here == ["new.jpg"]
    assert again.pop(str(mixed / "new.jpg")).gray
    assert again == found
    assert len(bad_pictures(old, names(mixed), UNDER)) == 4
    for kept in (new, manifest):
        kept.close()


def test_names_that_are_not_utf_8_are_known_again(tmp_path: Path, manifest: ScanCache, here: list[str]) -> None:
    smooth(0, (96, 96)).save(tmp_path / "caf\udce9.jpg", "JPEG")
    (tmp_path / "na\udcefve.png").touch()
    for examined in (2, 0):
        here.clear()
        found, _ = scan(names(tmp_path), manifest, MAX_PIXELS, 16, 1)
        assert len(here) == examined
        assert set(found) == {str(tmp_path / "caf\udce9.jpg"), str(tmp_path / "na\udcefve.png")}
    assert list(bad_pictures(manifest.path, names(tmp_path), UNDER)) == [str(tmp_path / "na\udcefve.png")]


def test_a_scan_with_other_limits_examines_all_files_again(mixed: Path, manifest: ScanCache, here: list[str]) -> None:
    scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    here.clear()
    found, _ = scan(names(mixed), manifest, MAX_PIXELS, 4, 1)
    assert len(here) == 16
    assert found[str(mixed / "tiny.png")].reason is None


def test_an_interrupted_scan_keeps_its_results(
    mixed: Path, manifest: ScanCache, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int) -> None:
        if len(here) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(names(mixed), manifest, MAX_PIXELS, 16, 1, stop)
    here.clear()
    scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    assert len(here) == 9


def test_results_are_committed_during_the_scan(
    mixed: Path, tmp_path: Path, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection sees the results while the scan runs, so a killed scan keeps them."""
    monkeypatch.setattr(scanning, "_COMMIT_SECONDS", 0.0)
    path, counts = tmp_path / "m.sqlite", []
    manifest = ScanCache(path)

    def count(done: int) -> None:
        with sqlite3.connect(path) as other:
            counts.append(other.execute("select count(*) from pictures").fetchone()[0])

    scan(names(mixed), manifest, MAX_PIXELS, 16, 1, count)
    manifest.close()
    assert counts == list(range(17))


def test_a_manifest_that_cannot_be_read_or_written_any_more_is_named(tmp_path: Path, manifest: ScanCache) -> None:
    manifest._base.execute("pragma query_only = on")  # as on a full or read-only disk
    with pytest.raises(
        InputError, match=r"manifest\.sqlite cannot be used \(attempt to write .*: remove it, free disk"
    ):
        manifest.add([ScanResult("/a.jpg", 1, 1, UNDER, None)])
    manifest._base.execute("pragma query_only = off")
    manifest._base.execute("drop table pictures")
    with pytest.raises(InputError, match=r"cannot be used \(no such table"):
        manifest.known(["/a.jpg"], UNDER)


def test_a_file_that_is_not_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.sqlite").write_text("no database, but quite long enough to be looked at as one" * 20)
    with pytest.raises(InputError, match=r"m\.sqlite cannot be used .*: remove it"):
        ScanCache(tmp_path / "m.sqlite")
    assert bad_pictures(tmp_path / "m.sqlite", ["a"], UNDER) == {}


# --- training with a manifest ---------------------------------------------------------------------------------------


def stream(source: FolderSource, count: int = 40) -> list[tuple[str, bytes, tuple[str, ...]]]:
    opened = source.open(3, Place(), 32)
    return [(s.name, s.picture.tobytes(), s.skipped) for s, _ in zip(opened, range(count), strict=False)]


def test_training_is_the_same_with_a_manifest_and_decodes_no_bad_file(
    mixed: Path, manifest: ScanCache, here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    plain, knowing = FolderSource(str(mixed)), FolderSource(str(mixed), manifest=str(manifest.path))
    for left, right in zip(plain.split(3), knowing.split(3), strict=True):
        assert left.names == right.names
        assert left.skipped == right.skipped
    expected = stream(plain.split(3)[0])  # type: ignore[arg-type]
    assert any(skipped for *_, skipped in expected)
    decoded: list[str] = []
    real = sources.decode_picture
    monkeypatch.setattr(
        sources, "decode_picture", lambda path, *a, **k: (decoded.append(path.name), real(path, *a, **k))[1]
    )
    assert stream(knowing.split(3)[0]) == expected  # type: ignore[arg-type]
    assert decoded
    assert not {"cut.jpg", "empty.png", "text.png", "tiny.png"} & set(decoded)


def test_a_repaired_picture_is_read_again(mixed: Path, manifest: ScanCache, here: list[str]) -> None:
    scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    source = FolderSource(str(mixed), manifest=str(manifest.path))
    with pytest.raises(PictureError, match="truncated"):
        source.read(str(mixed / "cut.jpg"), 32)
    smooth(5, (96, 96)).save(mixed / "cut.jpg")
    assert source.read(str(mixed / "cut.jpg"), 32).size == (48, 48)


def test_results_under_other_limits_are_not_used(mixed: Path, manifest: ScanCache, here: list[str]) -> None:
    scan(names(mixed), manifest, MAX_PIXELS, 16, 1)
    assert FolderSource(str(mixed), min_side=4, manifest=str(manifest.path)).bad == {}
    assert len(FolderSource(str(mixed), manifest=str(manifest.path)).bad) == 4


def test_a_missing_manifest_is_ignored(mixed: Path, tmp_path: Path) -> None:
    assert FolderSource(str(mixed), manifest=str(tmp_path / "none.sqlite")).bad == {}
    assert not (tmp_path / "none.sqlite").exists()
