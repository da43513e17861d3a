"""What ``make stylize`` asks for of a video, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="needs the extra `video`")

from PIL import Image

from adain.cli.plain import plain_values
from adain.cli.preflight.compose import compose_config
from adain.inference.inputs import Found
from adain.inference.jobs import Job
from adain.inference.request import StylizeRequest
from adain.inference.stylize import stylize_files
from adain.inference.video.clip import Report
from adain.inference.video.stylize import describe, make_video
from tests.helpers.clips import Copy, moving, write


def request_of(*words: str) -> StylizeRequest:
    return StylizeRequest(**plain_values(compose_config("stylize", ["content=a.mp4", *words])))


def test_a_videos_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def stylize_video(*args: Any, **options: Any) -> Report:
        asked.append(options)
        return Report(1, 1.0, 64, 48, 0.0, (0.0, 0.0), 1, [])

    monkeypatch.setattr("adain.inference.video.clip.stylize_video", stylize_video)
    request = request_of(
        "styles=[x.png,y.png]", "weights=[2,1]", "temporal=0.3", "side=64", "seconds=2.5", "crf=30", "batch_size=4",
        "max_pixels=999", "extrapolate=true", "preserve_color=luminance", "tile=128",
    )  # fmt: skip
    masks = [Image.new("L", (4, 4), 255)] * 2
    job = Job(Found(tmp_path / "a.mp4", Path("a.mp4"), None, True), (), Path())
    make_video(job, request, Copy(), [], masks)  # type: ignore[arg-type]
    wanted = {
        "weights": [2.0, 1.0], "temporal": 0.3, "side": 64, "seconds": 2.5, "crf": 30, "batch_size": 4, "max_pixels": 999,
        "extrapolate": True, "preserve_color": "luminance", "tile": 128, "masks": masks,
    }  # fmt: skip
    assert {key: asked[0][key] for key in wanted} == wanted


def test_what_is_lost_is_printed_once_and_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write(tmp_path / "in.mkv", moving(4, (33, 24)), pix_fmt="yuv444p", audio="flac")
    printed: list[str] = []

    class Watching(Copy):
        def stylize(self, content: Any, **options: Any) -> Any:
            printed.append(capsys.readouterr().err)
            return content

    job = Job(Found(clip, Path("in.mkv"), None, True), (), tmp_path / "out.mov")
    report = make_video(job, request_of("style=a.jpg"), Watching(), [], None)  # type: ignore[arg-type]
    assert printed[0].splitlines() == [
        "in.mkv: the result is 34 x 24: video needs even sides, so the last row or column is repeated",
        "in.mkv: the audio is flac, which .mov cannot hold: it is encoded as aac",
    ]
    assert report.notes == []


def test_a_log_file_gets_a_line_for_each_tenth_of_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("adain.runtime.progress.QUIET_SECONDS", 0)
    clip = write(tmp_path / "in.mp4", moving(48), audio=None)
    job = Job(Found(clip, Path("in.mp4"), None, True), (), tmp_path / "out.mp4")
    make_video(job, request_of("style=a.jpg"), Copy(), [], None)  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 9
    assert all(line.startswith("in.mp4: ") and " of 48 frames, " in line and line.endswith(" left") for line in lines)


def test_the_result_and_what_came_to_light_on_the_way() -> None:
    report = Report(100, 4.0, 64, 48, 0.01, (0.03, 0.02), 2, ["a note"])
    first, flicker, note = describe(Path("a.mp4"), report, "decoder shipped").splitlines()
    assert first == "a.mp4  (64 x 48, 100 frames, 25.0 frames per second, decoder shipped)"
    assert (
        "flicker +0.0100: from frame to frame the result changes by 0.0300, the source by 0.0200  (2 scenes)" in flicker
    )
    assert note == "  a note"


def test_an_interrupted_folder_says_what_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write(tmp_path / name, moving(2), audio=None)
    Image.new("RGB", (32, 32)).save(tmp_path / "style.png")

    def make(self: Any, job: Job, *rest: Any) -> str:
        if job.content.name.name == "c.mp4":
            raise KeyboardInterrupt
        return "made"

    monkeypatch.setattr("adain.inference.stylize.ResultMaker.make", make)
    monkeypatch.setattr("adain.inference.method_stylizer.load_stylizer", lambda *rest: (Copy(), "decoder shipped"))
    words = [f"content={tmp_path}/*.mp4", f"style={tmp_path}/style.png", f"out={tmp_path}/made/", "decoder=shipped"]
    with pytest.raises(KeyboardInterrupt):
        stylize_files(request_of(*words))
    assert capsys.readouterr().err.splitlines()[-1] == "2 of 3 results are made: overwrite=false keeps them"
