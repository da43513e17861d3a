"""Which files are videos: by their content where their ending says too little."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra video")

from adain.inference.inputs import find_pictures
from adain.inference.video.kinds import is_video
from adain.runtime.errors import UserError
from tests.helpers.clips import moving, write


def test_a_video_is_one_under_any_name(tmp_path: Path) -> None:
    clip = write(tmp_path / "in.mp4", moving(2), audio=None)
    for name in ("clip", "clip.dat", "clip.jpg", "clip.gif", "CLIP.MOV", "clip.ts"):
        (tmp_path / name).write_bytes(clip.read_bytes())
        assert is_video(tmp_path / name), name


def test_other_files_are_not(tmp_path: Path) -> None:
    picture = Image.fromarray(moving(1)[0])
    picture.save(tmp_path / "a.png")
    for name in ("still.png", "still.gif", "still.webp", "still.jpg", "still.bmp"):
        picture.save(tmp_path / name)
        assert not is_video(tmp_path / name), name
    for name, content in {
        "noname": (tmp_path / "a.png").read_bytes(),
        "notes.txt": b"a sentence " * 99,
        "damaged.jpg": (tmp_path / "still.jpg").read_bytes()[:40],
        "empty.png": b"",
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(99),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not is_video(tmp_path / name), name


def test_without_pyav_only_pictures_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is named is taken for a video, so that the answer is how to install PyAV."""
    monkeypatch.setattr("adain.inference.video.kinds.find_spec", lambda name: None)
    Image.fromarray(moving(1)[0]).save(tmp_path / "a.png")
    (tmp_path / "noname").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "clip.dat").write_bytes(b"whatever it is")
    (tmp_path / "damaged.jpg").write_bytes(b"no picture")
    assert [is_video(tmp_path / name) for name in ("a.png", "noname", "damaged.jpg", "clip.dat")] == [0, 0, 0, 1]


def test_a_stereo_photograph_is_no_animation(tmp_path: Path) -> None:
    picture = Image.fromarray(moving(1)[0])
    picture.save(tmp_path / "two.jpg", format="MPO", save_all=True, append_images=[picture])
    picture.save(tmp_path / "pages.tif", save_all=True, append_images=[picture])
    assert not is_video(tmp_path / "two.jpg")
    assert not is_video(tmp_path / "pages.tif")


def test_a_folder_takes_recordings_that_end_in_ts_and_leaves_typescript(tmp_path: Path) -> None:
    write(tmp_path / "recording.ts", moving(30), audio=None)
    (tmp_path / "page.ts").write_text("export const wide = true\n" * 40)
    assert [found.path.name for found in find_pictures("content", str(tmp_path))] == ["recording.ts"]
    assert [found.path.name for found in find_pictures("content", str(tmp_path / "*.ts"))] == ["recording.ts"]
    (tmp_path / "recording.ts").unlink()
    with pytest.raises(UserError, match="is a folder without pictures"):
        find_pictures("content", str(tmp_path))


@pytest.mark.parametrize("content", ["camera:0", "/dev/video0"])
def test_a_camera_is_answered_with_what_reads_one(content: str) -> None:
    with pytest.raises(UserError, match=f"content={content} cannot be used: cameras are read by the web page"):
        find_pictures("content", content)
