"""``make stylize``: a picture where it was asked for, or one sentence."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from adain.commands import stylize
from adain.stylize import Stylizer
from tests.conftest import command

EXISTING = "content=content.png", "style=style.png"


_load = Stylizer.load


@functools.cache
def _reference() -> Stylizer:
    return _load("reference", device="cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the command runs in, with two pictures; the networks are read once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    draw(tmp_path / "content.png")
    draw(tmp_path / "style.png", (64, 64))

    def load(decoder: str) -> Stylizer:
        return _reference() if decoder == "reference" else _load(decoder, device="cpu")

    monkeypatch.setattr(Stylizer, "load", load)
    return tmp_path


class _Copying:
    """Gives the content back: for tests that are about names alone."""

    def stylize(self, content: Image.Image, style: Image.Image, alpha: float) -> Image.Image:
        return content


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stylizer, "load", lambda decoder: _Copying())


def draw(path: Path, size: tuple[int, int] = (65, 47)) -> None:
    picture = Image.new("RGB", size, "navy")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((2, 2, size[0] * 2 // 3, size[1] * 2 // 3), fill="khaki")
    pen.line((0, 0, *size), fill="white", width=3)
    picture.save(path)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stylize", *arguments])
    stylize.main()


class Failed:
    """Calls the command, which must end with exit code 1, and gives what it said on stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            call(self.monkeypatch, *arguments)
        assert caught.value.code == 1
        return self.capsys.readouterr().err


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failed:
    return Failed(monkeypatch, capsys)


# --- where it goes --------------------------------------------------------------------------------------------------


def test_a_user_gets_a_picture_and_is_told_where(folder: Path) -> None:
    done = command("stylize", *EXISTING, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "logs/stylized/content_style.png  (65 x 47, decoder reference)"
    assert Image.open(folder / "logs/stylized/content_style.png").size == (65, 47)


def test_the_default_is_named_after_both_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, *EXISTING)
    assert Path("logs/stylized/content_style.png").is_file()


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize("out", ["a.png", "new/folder/a.jpg", "a b.webp", "A.JPEG", "k=v, [1].png", "画.png"])
def test_the_output_goes_where_it_is_asked_for(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, *EXISTING, f"out={out}")
    assert Image.open(out).size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_an_older_output_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(Path("a.png"), (20, 20))
    call(monkeypatch, *EXISTING, "out=a.png")
    assert Image.open("a.png").size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_nothing_else_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, *EXISTING)
    assert [path.name for path in (folder / "logs").rglob("*") if path.is_file()] == ["content_style.png"]


@pytest.mark.parametrize("size", [(16, 16), (65, 47), (71, 64), (64, 96)])
def test_the_output_has_the_contents_size(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    draw(Path("content.png"), size)
    call(monkeypatch, *EXISTING, "out=a.png")
    assert Image.open("a.png").size == size


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize(
    "name", ["a b.png", "a,b.png", "a[1].png", "[x].png", "k=v.png", "naïve.png", "图 画.png", "it's.png", "2024"]
)
def test_any_file_name_is_taken(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "content.png").rename(folder / name)
    call(monkeypatch, f"content={name}", "style=style.png", "out=a.png")
    assert Image.open("a.png").size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    call(monkeypatch, "content=~/content.png", "style=~/style.png", "out=~/a.png")
    assert (folder / "a.png").is_file()


# --- which decoder, how much of the style ---------------------------------------------------------------------------


def test_without_a_run_the_reference_is_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, *EXISTING)
    assert "no trained decoder below logs yet: using the published reference decoder" in capsys.readouterr().out


def test_the_reference_may_be_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, *EXISTING, "decoder=reference")
    assert capsys.readouterr().out == "logs/stylized/content_style.png  (65 x 47, decoder reference)\n"


@pytest.mark.parametrize(("names", "chosen"), [(["best", "last"], "best"), (["last"], "last")])
def test_the_newest_runs_best_decoder_is_the_default(
    names: list[str], chosen: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(decoder: str) -> Stylizer:
        asked.append(decoder)
        return _reference()

    monkeypatch.setattr(Stylizer, "load", load)
    checkpoints = folder / "logs" / "runs" / "a" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in names:
        (checkpoints / f"{name}.ckpt").touch()
    (folder / "logs" / "latest").symlink_to(checkpoints.parent, target_is_directory=True)
    call(monkeypatch, *EXISTING)
    assert asked == [f"logs/runs/a/checkpoints/{chosen}.ckpt"]


def test_alpha_changes_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, *EXISTING, "out=plain.png", "alpha=0")
    call(monkeypatch, *EXISTING, "out=full.png")
    assert Image.open("plain.png").tobytes() != Image.open("full.png").tobytes()


# --- one sentence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "content and style must be given: for example content=PATH"),
        (("content=content.png",), "style must be given: for example style=PATH"),
        (("content=none.png", "style=style.png"), "content=none.png is no file: give a picture"),
        (("content=content.png", "style=."), "style=. is no file: give a picture"),
        (("content=text.png", "style=style.png"), "content=text.png cannot be used (empty or not a picture)"),
        (("content=tiny.png", "style=style.png"), "content picture is 8 x 8: give one of at least 16 x 16"),
        (("content=content.png", "style=tiny.png"), "style picture is 8 x 8: give one of at least 16 x 16"),
        ((*EXISTING, "out=content.png"), "out=content.png would overwrite an input"),
        ((*EXISTING, "out=./style.png"), "style.png would overwrite an input"),
        ((*EXISTING, "out=text.png/a.png"), "out=text.png/a.png cannot be written"),
        ((*EXISTING, "out=folder.png"), "out=folder.png cannot be written"),
        ((*EXISTING, "out=a.txt"), "out=a.txt has no picture's ending: give .png"),
        ((*EXISTING, "alpha=2"), "alpha=2 is too large: give at most 1"),
        ((*EXISTING, "alpha=-0.1"), "alpha=-0.1 is too small: give at least 0"),
        ((*EXISTING, "alpha=half"), "alpha=half is of the wrong type: give a number, such as alpha=1.0"),
        ((*EXISTING, "decoder=referenc"), "did you mean reference?"),
        ((*EXISTING, "decoder=text.png"), "text.png"),
        (("contnt=content.png", "style=style.png"), "there is no key contnt (did you mean content?)"),
        (("content=null", "style=style.png"), "content"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], said: str, folder: Path, failed: Failed) -> None:
    (folder / "text.png").write_text("hello")
    Image.new("RGB", (8, 8)).save(folder / "tiny.png")
    (folder / "folder.png").mkdir()
    text = failed(*arguments)
    assert said in text
    assert text.startswith("error: ")
    assert text.count("\n") == 1


@pytest.mark.usefixtures("copying")
def test_an_output_that_cannot_be_written_leaves_no_part_of_it(folder: Path, failed: Failed) -> None:
    (folder / "folder.png").mkdir()
    failed(*EXISTING, "out=folder.png")
    assert not list(folder.glob(".folder*"))
