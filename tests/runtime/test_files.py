"""Atomic writes and locks."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

import pytest

import adain
from adain.runtime.files import (
    existing,
    expanded,
    fitting_name,
    is_locked,
    lock,
    make_free_folder,
    point_latest,
    replacing,
    write_whole,
)


def test_the_old_content_stays_until_the_new_content_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "old")
    with replacing(path) as part:
        assert part.suffix == ".json"  # libraries choose the format by it
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def fill(part: Path) -> None:
    part.write_bytes(b"half")
    part.touch(exist_ok=False)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_whole(path, b"\x00old")
    with pytest.raises(FileExistsError), replacing(path) as part:
        fill(part)
    assert path.read_bytes() == b"\x00old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    with lock(tmp_path / "l") as first, lock(tmp_path / "l") as second:
        assert (first, second) == (True, False)
    with lock(tmp_path / "l") as again:
        assert again


def test_a_lock_is_seen_without_being_taken_or_made(tmp_path: Path) -> None:
    path = tmp_path / "l"
    assert not is_locked(path)
    assert not path.exists()
    with lock(path):
        path.chmod(0o444)
        assert is_locked(path)
        assert is_locked(path)
    assert not is_locked(path)


def test_a_lock_that_is_looked_at_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "l").touch()
    with (tmp_path / "l").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda seconds: looking.close())
        with lock(tmp_path / "l") as held:
            assert held


def test_everybody_gets_a_folder_of_one_name(tmp_path: Path) -> None:
    made = [make_free_folder(tmp_path / "runs" / "t") for _ in range(3)]
    assert [folder.name for folder in made] == ["t", "t_2", "t_3"]
    assert all(folder.is_dir() for folder in made)


def test_the_nearest_existing_folder_is_found(tmp_path: Path) -> None:
    """A dangling link counts as existing: no folder can be created in its place."""
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    assert existing(tmp_path / "a" / "b") == existing(tmp_path) == tmp_path
    assert existing(tmp_path / "broken" / "a") == tmp_path / "broken"


def test_a_name_that_is_not_utf_8_is_written_as_it_is(tmp_path: Path) -> None:
    write_whole(tmp_path / ("字" * 83 + ".csv"), "caf\udce9,é\n")
    assert (tmp_path / ("字" * 83 + ".csv")).read_bytes() == b"caf\xe9,\xc3\xa9\n"


def test_a_name_that_fits_stays_and_others_keep_a_part_of_everything() -> None:
    assert fitting_name(["a", "_", "b"], ".png") == "a_b.png"
    assert fitting_name(["a" * 251], ".png") == "a" * 251 + ".png"
    cut = [fitting_name(["a" * 300, "_", "字" * 100 + end], ".png") for end in "12"]
    assert len(set(cut)) == 2
    for name in cut:
        assert len(name.encode()) <= 255
        assert name.startswith("a" * 100)
        assert "_" + "字" * 30 in name


def test_a_tilde_is_a_home_folder_and_an_unknown_users_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a") == Path("/home/me/a")
    for typed in ("~nobody-of-this-name/a.jpg", "~a.jpg", "a~/~b"):
        assert expanded(typed) == Path(typed)
    source = Path(adain.__file__).parent
    assert [str(file) for file in source.rglob("*.py") if ").expanduser()" in file.read_text()] == [], (
        "raises for those"
    )


def test_latest_goes_with_a_folder_of_runs_that_is_moved(tmp_path: Path) -> None:
    for run in (tmp_path / "logs" / "runs" / "a" / "1", tmp_path / "elsewhere"):
        run.mkdir(parents=True)
        point_latest(tmp_path / "logs" / "latest", run)
        assert (tmp_path / "logs" / "latest").resolve() == run
    point_latest(tmp_path / "logs" / "latest", tmp_path / "logs" / "runs" / "a" / "1")
    (tmp_path / "logs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve() == tmp_path / "moved" / "runs" / "a" / "1"
