"""The one way through a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adain.data.folders import is_visible, walk
from tests.helpers.pictures import deny


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "b.PNG",
        "a.jpg",
        ".hidden.png",
        "notes.txt",
        "z/c.png",
        "many/.x/d.png",
        "many/e.webp",
        "many/results/f.png",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "many" / "loop").symlink_to(tmp_path)
    return tmp_path


def listed(found: Iterator[tuple[str, list[str]]], root: Path) -> list[str]:
    return [os.path.relpath(os.path.join(folder, name), root) for folder, names in found for name in names]


def test_files_come_folder_by_folder_in_order(root: Path) -> None:
    assert listed(walk(root), root) == ["a.jpg", "b.PNG", "many/e.webp", "many/results/f.png", "z/c.png"]


def test_a_folder_of_results_is_skipped_below_the_root_only(root: Path) -> None:
    results = (root / "many" / "results").resolve()
    assert "many/results/f.png" not in listed(walk(root, skip=results), root)
    assert listed(walk(results, skip=results), results) == ["f.png"]


def test_only_the_endings_asked_for(root: Path) -> None:
    assert listed(walk(root, {".webp"}), root) == ["many/e.webp"]
    assert is_visible("A.JPG", {".jpg"})
    assert not is_visible(".a.jpg", {".jpg"})


def test_an_unreadable_folder_is_listed_like_an_unreadable_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch, "many")
    assert listed(walk(root), root) == ["a.jpg", "b.PNG", "many", "z/c.png"]
    with pytest.raises(ValueError, match=r"many cannot be read \(Permission denied\)"):
        list(walk(root / "many"))


@pytest.mark.parametrize(
    "system", ["@eaDir/a.jpg", "#recycle", "sub/__MACOSX", "$RECYCLE.BIN/S-1-5", "Thumbs", ".Trash-0"]
)
def test_folders_of_thumbnails_and_deleted_files_are_left_out(tmp_path: Path, system: str) -> None:
    for name in ("a.jpg", "sub/b.jpg", f"{system}/c.jpg", "sub/._b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert listed(walk(tmp_path), tmp_path) == ["a.jpg", "sub/b.jpg"]
    assert not is_visible(f"{system}/c.jpg")
    if not system.startswith("."):
        assert len(list(walk(tmp_path / system))) == 1, "it is read when it is asked for"


def test_every_kind_that_pillow_decodes_is_a_picture_and_those_it_knows_by_name() -> None:
    names = "a.jfif", "a.AVIF", "a.ppm", "a.tga", "a.jp2", "a.heic", "a.jxl", "a.NEF"
    assert all(map(is_visible, names))
    assert not any(map(is_visible, ("a.eps", "a.mpg", "a.txt", "a.pdf", "a")))


def test_a_link_to_itself_ends_nothing(tmp_path: Path) -> None:
    for name in ("loop", "loop.png"):
        (tmp_path / name).symlink_to(name)
    (tmp_path / "a.png").touch()
    assert listed(walk(tmp_path), tmp_path) == ["a.png", "loop.png"]  # whoever reads that one says what is wrong


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert list(walk(tmp_path)) in ([], [(str(tmp_path), [])])
