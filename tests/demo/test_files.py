from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("gradio_client", reason="comes with gradio, of the extra demo")

from adain.demo.files import Files


def write(path: Path, age: float = 0) -> Path:
    path.write_bytes(b"0" * 100)
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """With room for three files of a visitor, four uploads, and two results."""
    for name, most in (("_LEAST", 100), ("_VISITOR", 300), ("_UPLOADS", 400), ("_PICTURES", 200)):
        monkeypatch.setattr(f"adain.demo.files.{name}", most)
    return Files(tmp_path)


def test_the_oldest_of_a_visitor_make_room(files: Files) -> None:
    other = write(files.upload("b", "x.jpg"), age=1000)
    mine = [write(files.upload("a", f"{age}.jpg"), age) for age in range(50)]
    files.trim()
    assert [path.name for path in mine if path.is_file()] == ["0.jpg", "1.jpg", "2.jpg"]
    assert other.is_file()
    assert len(list(files.folder.rglob("*.jpg"))) == len(list(files.folder.glob("uploads/*/*"))) == 4


def test_the_oldest_of_all_make_room(files: Files) -> None:
    made = [write(files.upload(f"visitor {age}", "x.jpg"), age) for age in range(9)]
    pictures = [write(files.picture("x.png"), age) for age in range(9)]
    files.trim()
    assert [path.is_file() for path in made] == [True] * 4 + [False] * 5
    assert [path.is_file() for path in pictures] == [True] * 2 + [False] * 7


def test_old_files_go_and_samples_stay(files: Files) -> None:
    sample = files.folder / "paintings" / "a.jpg"
    sample.parent.mkdir()
    write(sample, age=90_000)
    old = write(files.picture("x.png"), age=4 * 3600 + 60)
    files.trim()
    assert sample.is_file()
    assert not old.exists()


def test_tiny_files_are_not_free(tmp_path: Path) -> None:
    files = Files(tmp_path)
    for _ in range(2):
        write(files.upload("a", "x"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adain.demo.files._VISITOR", 600_000)
        files.trim()
    assert len([path for path in files.folder.rglob("x") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "", "\0", "\ud800", "x" * 9999, None, 7, ["a"], "http://127.0.0.1/x"]
)
def test_only_files_of_the_folder_are_found(path: object, files: Files) -> None:
    inside = write(files.picture("a.png"))
    outside = write(files.folder.parent / f"{files.folder.name}-x")
    link = inside.with_name("link")
    link.symlink_to(outside)
    assert files.find(str(inside)) == inside
    assert (
        files.find(path) is files.find(str(outside)) is files.find(str(link)) is files.find(str(inside.parent)) is None
    )


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("my sea (1).jpg", "my sea (1).jpg"),
        ("../../x.jpg", "x.jpg"),
        ("C:\\photos\\x.jpg", "x.jpg"),
        ("été 海.png", "été 海.png"),
        ("", "picture"),
        ("..", "picture"),
        (".profile", "profile"),
        ("海" * 200 + ".jpg", "海" * 38 + ".jpg"),
    ],
)
def test_names(given: str, name: str, files: Files) -> None:
    assert files.upload("a", given).name == name
    assert write(files.picture(given)).is_file()
