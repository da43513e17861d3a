"""``make stylize`` of videos and into pipes, as processes of their own: what is on standard output, and what is not."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.clips import RED
from tests.helpers.forked import Forked
from tests.helpers.runners import command

STYLIZE = ["-m", "adain.cli.stylize"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.linear_gradient("L").resize((65, 47)).convert("RGB").save(tmp_path / "content.png")
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(tmp_path / "style.png")
    return tmp_path


def test_a_picture_goes_out_as_it_would_have_been_saved(folder: Path) -> None:
    words = ["content=content.png", "style=style.png", "decoder=reference"]
    piped = Forked([*STYLIZE, *words, "out=-"], folder)
    assert piped.wait() == 0, piped.err
    assert "65 x 47" in piped.err
    assert sorted(path.name for path in folder.iterdir()) == ["content.png", "style.png"]
    assert command("stylize", *words, "out=saved.png", cwd=folder).returncode == 0
    assert np.array_equal(Image.open(io.BytesIO(piped.out)), Image.open(folder / "saved.png"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["content=[content.png,style.png]"], "out=- takes one result, but 2 are asked for"),
        (["content=content.png", "format=mp4"], "format=mp4 cannot be written to a pipe: give png, jpg"),
        (["content=missing.png"], "content=missing.png does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_standard_output_stays_empty(words: list[str], said: str, folder: Path) -> None:
    done = command("stylize", *words, "style=style.png", "decoder=reference", "out=-", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_terminal_is_given_no_picture(folder: Path) -> None:
    ours, theirs = os.openpty()
    words = ["content=content.png", "style=style.png", "decoder=reference", "out=-"]
    done = Forked([*STYLIZE, *words], folder, stdout=theirs)
    os.close(theirs)
    code = done.wait()
    os.close(ours)
    assert code == 1
    assert "standard output is a terminal" in done.err


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight red frames."""
    pytest.importorskip("av", reason="needs the extra video")
    from tests.helpers.clips import flat, write

    path = tmp_path_factory.mktemp("clip") / "red.mkv"
    return write(path, [flat(RED, 1, full=False)] * 8, tags=(1, 1, 1, 1))


def reds(content: bytes) -> list[np.ndarray]:
    import av

    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [frame.reshape(-1, 3).mean(0) for frame in frames]


def test_a_red_video_stays_red_from_pipe_to_pipe(folder: Path, clip: Path) -> None:
    """At alpha 0 it is the decoder's reconstruction, not exactly the content; blue for red would be 170 levels off."""
    words = ["content=-", "style=style.png", "decoder=reference", "alpha=0", "out=-"]
    done = Forked([*STYLIZE, *words], folder, stdin=clip.read_bytes())
    assert done.wait() == 0, done.err
    means = reds(done.out)
    assert len(means) == 8
    assert all(np.abs(mean - RED).max() < 25 for mean in means), means
    assert "8 frames" in done.err


def test_a_video_to_a_file(folder: Path, clip: Path) -> None:
    words = [f"content={clip}", "style=style.png", "decoder=reference", "alpha=0", "out=made.mp4"]
    done = command("stylize", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("made.mp4  (64 x 48, 8 frames, ")
    assert all(np.abs(mean - RED).max() < 25 for mean in reds((folder / "made.mp4").read_bytes()))


def test_a_reader_that_goes_away_ends_it_in_one_sentence(folder: Path, clip: Path) -> None:
    words = [f"content={clip}", "style=style.png", "decoder=reference", "out=-"]
    reader, writer = os.pipe()
    os.close(reader)
    process = Forked([*STYLIZE, *words], folder, stdout=writer)
    os.close(writer)
    assert process.wait() == 1
    assert "error: out=- was closed by what reads it" in process.err
    assert "Traceback" not in process.err


@pytest.mark.parametrize("method", ["gatys", "style_swap"])
def test_other_systems_make_no_videos_and_say_so(method: str, folder: Path, clip: Path) -> None:
    done = command("stylize", f"content={clip}", "style=style.png", f"model={method}", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_frames_of_a_video_before_and_after(folder: Path, clip: Path) -> None:
    words = [f"content={clip}", "style=style.png", "decoder=reference", "alpha=0", "grid=frames", "out=shown.png"]
    done = command("stylize", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    shown = np.asarray(Image.open(folder / "shown.png")).astype(int)
    red = np.abs(shown - RED).max(-1) < 25  # five cells of 64 x 48, twice
    assert [int(red[row].sum()) for row in (40, 112)] == [5 * 64, 5 * 64]
    assert sorted(path.name for path in folder.iterdir()) == ["content.png", "shown.png", "style.png"]


@pytest.mark.parametrize("content", ["content.png", "-"])
def test_frames_are_of_a_videos_file(content: str, folder: Path) -> None:
    done = command("stylize", f"content={content}", "style=style.png", "grid=frames", cwd=folder)
    assert done.returncode == 1
    assert f"grid=frames needs a video file, but content={content} is not one" in done.stderr
