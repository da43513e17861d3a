"""What ``make stylize`` says of a video."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("av", reason="needs the extra `video`")

from PIL import Image

from adain.cli.plain import plain_values
from adain.cli.preflight.compose import compose_config
from adain.inference.inputs import Found
from adain.inference.jobs import Job
from adain.inference.request import StylizeRequest
from adain.inference.video.clip import Report
from adain.inference.video.request import describe, make_video


def interrupted_after(frames: int, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a video of 300 frames that Ctrl-C ends after some."""

    def stylize_video(*args: Any, progress: Any, **options: Any) -> None:
        progress(frames, 300)
        raise KeyboardInterrupt

    monkeypatch.setattr("adain.inference.video.clip.stylize_video", stylize_video)
    monkeypatch.setattr("adain.inference.dataset.local.weights_digest", lambda decoder: "digest")
    request = StylizeRequest(**plain_values(compose_config("stylize", ["content=a.mp4", "style=b.jpg"])))
    stylizer: Any = SimpleNamespace(decoder=None)
    job = Job(Found(Path(content), Path("a.mp4"), None, True), (), Path("out.mp4"))
    with pytest.raises(KeyboardInterrupt):
        make_video(job, request, stylizer, [], None)


@pytest.mark.parametrize(("frames", "kept"), [(100, 96), (47, 0), (48, 48)])
def test_an_interrupted_video_says_what_it_has_kept(
    frames: int, kept: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted_after(frames, "a.mp4", monkeypatch)
    assert f"{kept} frames of about 300 are kept: the same command goes on after them" in capsys.readouterr().err


def test_a_camera_promises_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted_after(100, "camera:0", monkeypatch)
    assert "kept" not in capsys.readouterr().err


def test_a_videos_request_and_what_its_parts_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("adain.inference.video.clip.stylize_video", lambda *args, **options: asked.append(options))
    monkeypatch.setattr("adain.inference.dataset.local.weights_digest", lambda decoder: "digest")
    words = [
        "content=a.mp4", "styles=[x.png,y.png]", "weights=[2,1]", "temporal=0.3", "side=64", "seconds=2.5", "crf=30",
        "batch_size=4", "max_pixels=999", "extrapolate=true", "preserve_color=luminance", "tile=128",
    ]  # fmt: skip
    request = StylizeRequest(**plain_values(compose_config("stylize", words)))
    styles = [tmp_path / "x.png", tmp_path / "y.png"]
    job = Job(
        Found(tmp_path / "a.mp4", Path("a.mp4"), None, True), tuple(Found(s, Path(s.name)) for s in styles), Path()
    )
    white, gray = (Image.new("L", (4, 4), level) for level in (255, 128))
    for texts, masks in (("xy", [white, white]), ("xz", [white, white]), ("xy", [white, gray]), ("xy", [white, white])):
        for style, text in zip(styles, texts, strict=True):
            style.write_text(text)
        make_video(job, request, SimpleNamespace(decoder=None), [], masks)  # type: ignore[arg-type]
    wanted = {
        "weights": [2.0, 1.0], "temporal": 0.3, "side": 64, "seconds": 2.5, "crf": 30, "batch_size": 4, "max_pixels": 999,
        "extrapolate": True, "preserve_color": "luminance", "tile": 128,
    }  # fmt: skip
    assert {key: asked[0][key] for key in wanted} == wanted
    first, style, mask, again = (options["settings"] for options in asked)
    assert again == first
    assert first not in (style, mask)


def test_the_speed_is_that_of_the_frames_made_now() -> None:
    """An earlier run's take no time."""
    report = Report(100, 48, 2.0, 64, 48, 0.01, (0.03, 0.02), 2, ["a note"])
    first, flicker, note = describe(Path("a.mp4"), report, "decoder shipped").splitlines()
    assert (
        first == "a.mp4  (64 x 48, 100 frames, 48 of them by an earlier run, 26.0 frames per second, decoder shipped)"
    )
    assert (
        "flicker +0.0100: from frame to frame the result changes by 0.0300, the source by 0.0200  (2 scenes)" in flicker
    )
    assert note == "  a note"
