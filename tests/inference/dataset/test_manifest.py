"""What is recorded survives kills, torn lines and other settings."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from adain.inference.dataset import manifest as module
from adain.inference.dataset.manifest import Manifest, part_path, write_part
from adain.runtime.errors import UserError

SETTINGS = {"seed": 1, "style": {"name": "/s", "sha256": "aaaa"}}


def opened(out: Path, **more: Any) -> Manifest:
    return Manifest(out, {**SETTINGS, **more})


def make(manifest: Manifest, *names: str) -> None:
    for name in names:
        write_part(manifest.out, name, b"picture")
        manifest.commit({"output": name, "style": "s.jpg"})


def rows(manifest: Manifest) -> list[str]:
    return [json.loads(line)["output"] for line in manifest.path.read_text().splitlines()]


def test_what_is_committed_is_there_next_time(tmp_path: Path) -> None:
    with opened(tmp_path / "new" / "out") as manifest:
        make(manifest, "x/a.jpg", "b ü=.jpg", "c\udcff.jpg", "d\n.jpg")
        assert not manifest.has("x/a.jpg")  # of an earlier run
    with opened(tmp_path / "new" / "out") as manifest:
        assert len(manifest) == 4
        assert all(manifest.has(name) for name in ("x/a.jpg", "b ü=.jpg", "c\udcff.jpg", "d\n.jpg"))
        assert not manifest.has("e.jpg")


def test_a_row_without_its_picture_is_dropped(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "c.jpg").write_bytes(b"")  # as a machine that lost power leaves it
    with opened(tmp_path) as manifest:
        assert rows(manifest) == ["a.jpg"]
        assert not manifest.has("b.jpg")
        assert not manifest.has("c.jpg")
        make(manifest, "b.jpg")
        assert rows(manifest) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("torn", ['{"output": "b.j', '{"output": "b.jpg"}', "\0\0\0\0\n", "[1]\n", "7\n", '{"a": 1}\n'])
def test_a_torn_line_is_dropped(torn: str, tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"picture")
    with manifest.path.open("a") as file:
        file.write(torn)
    with opened(tmp_path) as manifest:
        assert rows(manifest) == ["a.jpg"]
        make(manifest, "b.jpg")
    assert rows(manifest) == ["a.jpg", "b.jpg"]


def test_a_row_that_stands_twice_is_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, "b.jpg", "a.jpg")
    manifest.path.write_text(manifest.path.read_text() * 2)
    with opened(tmp_path) as manifest:
        assert rows(manifest) == ["b.jpg", "a.jpg"]


def test_the_row_comes_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*paths: object) -> None:
        raise KeyboardInterrupt

    with opened(tmp_path) as manifest:
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                make(manifest, "a.jpg")
        assert rows(manifest) == ["a.jpg"]
        assert not (tmp_path / "a.jpg").exists()


def test_a_longest_name_has_a_hidden_one_too(tmp_path: Path) -> None:
    name = "x" * 251 + ".jpg"
    with opened(tmp_path) as manifest:
        make(manifest, name)
    assert (tmp_path / name).exists()
    assert part_path(tmp_path, "x/a.jpg").name != part_path(tmp_path, "x/b.jpg").name


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 2}, "seed is 2, .* begun with 1"),
        ({"style": {"name": "/t", "sha256": "bbbb"}}, r"style is /t \(SHA-256 bbbb\.\.\), .* /s \(SHA-256 aaaa"),
        ({"size": 64}, "size is 64, .* begun with null"),
    ],
)
def test_other_settings_are_refused(other: dict[str, Any], message: str, tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, "a.jpg")
    with pytest.raises(UserError, match=message):
        opened(tmp_path, **other)


def test_a_run_that_made_nothing_refuses_no_other_settings(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        manifest.unreadable("style", "s.jpg", "empty")
        (tmp_path / "folder").mkdir()
    with opened(tmp_path, seed=2) as manifest:
        make(manifest, "a.jpg")
    with pytest.raises(UserError, match="seed is 1, .* begun with 2"):
        opened(tmp_path)


def test_a_shard_at_work_refuses_other_settings(tmp_path: Path) -> None:
    with (
        Manifest(tmp_path, SETTINGS, 0, 2),
        pytest.raises(UserError, match="seed is 2, .* begun with 1"),
    ):
        Manifest(tmp_path, {**SETTINGS, "seed": 2}, 1, 2)


def test_somebody_elses_settings_stay(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    with pytest.raises(UserError, match="begun with"):
        opened(tmp_path)
    assert (tmp_path / "settings.json").read_text() == '{"theme": "dark"}'


def test_the_same_styles_under_another_path_are_the_same(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with opened(tmp_path, style={"name": "/moved", "sha256": "aaaa"}):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"holds thesis\.tex"):
        opened(tmp_path)


def test_one_process_a_shard(tmp_path: Path) -> None:
    with Manifest(tmp_path, SETTINGS, 0, 2):
        with pytest.raises(UserError, match="shard=0 .* another process"):
            Manifest(tmp_path, SETTINGS, 0, 2)
        with Manifest(tmp_path, SETTINGS, 1, 2):
            pass
    with Manifest(tmp_path, SETTINGS, 0, 2):
        pass


def test_unreadable_ones_are_listed_once_and_contents_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        for _ in range(2):
            manifest.unreadable("style", "s.jpg", "empty")
            manifest.unreadable("content", "c.jpg", "cut short")
        assert len(manifest.skipped) == 2
        assert len(manifest.unreadable_path.read_text().splitlines()) == 2
    with opened(tmp_path) as manifest:
        assert manifest.skipped == {("style", "s.jpg")}
        assert [json.loads(line)["name"] for line in manifest.unreadable_path.read_text().splitlines()] == ["s.jpg"]


@pytest.mark.parametrize("where", ["part", "row"])
def test_a_full_disk_is_one_sentence(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(tmp_path) as manifest:
        make(manifest, "a.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(*((Path, "write_bytes", full) if where == "part" else (module.os, "write", full)))
            with pytest.raises(UserError, match="disk .* full: make room .* same command"):
                make(manifest, "b.jpg")
    with opened(tmp_path) as manifest:
        assert rows(manifest) == ["a.jpg"]


def test_half_a_row_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with opened(tmp_path) as manifest:
        make(manifest, "a.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "write", lambda file, line: real(file, line[:9]))
            with pytest.raises(UserError, match="full"):
                make(manifest, "b.jpg")
    assert not (tmp_path / "b.jpg").exists()
    with opened(tmp_path) as manifest:
        make(manifest, "b.jpg")
        assert rows(manifest) == ["a.jpg", "b.jpg"]
