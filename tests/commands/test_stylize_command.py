"""``make stylize``: a picture where it was asked for, or one sentence."""

from __future__ import annotations

import functools
import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from adain.commands import stylize
from adain.stylize import Stylizer
from tests.conftest import command

EXISTING = "content=content.png", "style=style.png"
MIX = "content=content.png", "styles=[style.png,content.png]"


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

    def load(decoder: str, device: str | None = None, precision: str = "32-true") -> Stylizer:
        return _reference() if decoder == "reference" else _load(decoder, device="cpu")

    monkeypatch.setattr(Stylizer, "load", load)
    return tmp_path


class _Copying:
    """Gives the content back: for tests that are about names alone. It keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.encoded = 0

    def encode_style(self, style: Image.Image) -> tuple[int, int]:
        self.encoded += 1
        return style.size

    def stylize(self, content: Image.Image, **options: Any) -> Image.Image:
        self.asked.append(options)
        return content


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> _Copying:
    made = _Copying()
    monkeypatch.setattr(Stylizer, "load", lambda decoder, device=None, precision="32-true": made)
    return made


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
    assert done.stdout.splitlines()[-1] == "logs/stylized/content_style.png  (65 x 47, decoder shipped)"
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
    "name",
    [
        "a b.png",
        "a,b.png",
        "a[1].png",
        "[x].png",
        "k=v.png",
        "naïve.png",
        "图 画.png",
        "it's.png",
        "2024",
        "[1]",
        "a(1).png",
    ],
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


def test_without_a_run_the_shipped_decoder_is_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, *EXISTING)
    assert "no trained decoder below logs yet: using the shipped decoder" in capsys.readouterr().out


def test_the_reference_may_be_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, *EXISTING, "decoder=reference")
    assert capsys.readouterr().out == "logs/stylized/content_style.png  (65 x 47, decoder reference)\n"


@pytest.mark.parametrize(("names", "chosen"), [(["best", "last"], "best"), (["last"], "last")])
def test_the_newest_runs_best_decoder_is_the_default(
    names: list[str], chosen: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(decoder: str, device: str | None = None, precision: str = "32-true") -> Stylizer:
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
        ((), "content must be given: for example content=PATH"),
        (("content=content.png",), "style=PATH, or styles=[a,b] for a mix, must be given: neither"),
        ((*EXISTING, "styles=[style.png]"), "must be given: both are given"),
        (
            ("content=none.png", "style=style.png"),
            "content=none.png does not exist: give a picture, a folder or a glob",
        ),
        (("content=a.png,b.png", "style=style.png"), "content=a.png,b.png does not exist ([a,b] gives several)"),
        (("content=no*.jpg", "style=style.png"), "content=no*.jpg matches no picture"),
        (("content=content.png", "style=empty"), "style=empty is a folder without pictures (.bmp, "),
        (("content=text.png", "style=style.png"), "content=text.png cannot be used (empty or not a picture)"),
        (("content=tiny.png", "style=style.png"), "content=tiny.png cannot be used (8 x 8 is below min_side=16)"),
        (("content=content.png", "style=tiny.png"), "style=tiny.png cannot be used (8 x 8 is below min_side=16)"),
        ((*EXISTING, "max_pixels=3000"), "content=content.png cannot be used (65 x 47 is over max_pixels=3000)"),
        ((*EXISTING, "out=content.png"), "out=content.png would overwrite an input"),
        ((*EXISTING, "out=./style.png"), "style.png would overwrite an input"),
        (("content=photos", "style=style.png", "out=photos"), "out=photos is the folder of the inputs"),
        (
            ("content=photos", "style=style.png", "out=photos/x.png"),
            "out=photos/x.png lies in the folder of the inputs",
        ),
        ((*EXISTING, "out=text.png/a.png"), "out=text.png cannot be written (text.png is a file)"),
        ((*EXISTING, "out=a.txt"), "out=a.txt has no picture's ending: give .png, .jpg or .webp, or a folder"),
        ((*EXISTING, "out=a.png", "format=jpg"), "out=a.png and format=jpg contradict each other"),
        ((*EXISTING, "format=tiff"), "format=tiff is not allowed; choose one of png, jpg, jpeg, webp"),
        (
            ("content=[content.png,style.png]", "style=style.png", "out=a.png"),
            "is one file, but 2 results are asked for",
        ),
        (("content=[content.png,style.png]", "style=style.png", "pairing=zip"), "2 contents and 1 styles are given"),
        ((*EXISTING, "alpha=2"), "alpha=2 is too large: give at most 1, or set extrapolate=true as well"),
        ((*EXISTING, "alpha=-0.1"), "alpha=-0.1 is too small: give at least 0"),
        ((*EXISTING, "alpha=half"), "alpha=half is of the wrong type: give a number, such as alpha=1.0"),
        ((*EXISTING, "weights=[1]"), "weights are for mixing"),
        ((*MIX, "weights=[0.7]"), "1 weights are given for 2 styles: give one for each"),
        ((*MIX, "weights=0.7"), "weights=0.7 is not a list of numbers"),
        ((*MIX, "weights=[a,b]"), "is not a list of numbers"),
        ((*MIX, "weights=[0,0]"), "not all of them 0"),
        ((*MIX, "masks=[content.png]"), "1 masks are given for 2 styles: give one for each"),
        ((*MIX, "masks=[content.png,black.png]"), "masks=black.png covers nothing"),
        ((*MIX, "masks=[content.png,text.png]"), "masks=text.png cannot be used (empty or not a picture)"),
        ((*MIX, "grid=alpha"), "grid=alpha is of one style"),
        ((*EXISTING, "grid=corners"), "grid=corners has 2 to 4 styles at its corners, but 1 are given"),
        ((*MIX, "grid=corners", "weights=[1,2]"), "grid=corners takes neither weights nor masks"),
        ((*EXISTING, "preserve_color=hue"), "preserve_color=hue is not allowed; choose one of none, coral, luminance"),
        ((*EXISTING, "tile=7"), "tile=7 cannot be used: give auto, none, or"),
        ((*EXISTING, "decoder=referenc"), "did you mean reference?"),
        ((*EXISTING, "decoder=shipped"), "ships no decoder"),
        ((*EXISTING, "decoder=empty"), "empty is a folder without checkpoints/best.ckpt"),
        ((*EXISTING, "decoder=text.png"), "text.png"),
        (("contnt=content.png", "style=style.png"), "there is no key contnt (did you mean content?)"),
        (("content=null", "style=style.png"), "content=null cannot be used"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: tuple[str, ...], said: str, folder: Path, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adain.decoder.SHIPPED", folder / "none.safetensors")
    (folder / "text.png").write_text("hello")
    Image.new("RGB", (8, 8)).save(folder / "tiny.png")
    Image.new("L", (8, 8)).save(folder / "black.png")
    (folder / "empty").mkdir()
    (folder / "photos").mkdir()
    draw(folder / "photos" / "a.png")
    text = failed(*arguments)
    assert said in text
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert not (folder / "logs").exists()


@pytest.mark.usefixtures("copying")
def test_an_output_that_cannot_be_written_leaves_no_part_of_it(folder: Path, failed: Failed) -> None:
    (folder / "new" / "content_style.png").mkdir(parents=True)
    assert "out=new/content_style.png cannot be written" in failed(*EXISTING, "out=new")
    assert [path.name for path in (folder / "new").iterdir()] == ["content_style.png"]


# --- several --------------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(folder: Path) -> Path:
    """A folder with a sub-folder, a colliding name, a file that is no picture, and a broken one."""
    photos = folder / "photos"
    for name in ("a.png", "a.jpg", "sub/b.png", "sub/.hidden.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        draw(photos / name)
    (photos / "notes.txt").write_text("no picture")
    return photos


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("copying", "photos")
def test_a_folder_is_stylised_with_its_sub_folders_and_no_name_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "content=photos", "style=style.png", "out=made", "format=webp")
    assert written(Path("made")) == ["a_jpg_style_png.webp", "a_png_style_png.webp", "sub/b_style.webp"]


@pytest.mark.usefixtures("photos")
def test_every_content_with_every_style_each_encoded_once(copying: _Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(Path("other.png"), (30, 20))
    call(monkeypatch, "content=photos/**/*.png", "style=[style.png,other.png]", "out=made/")
    assert written(Path("made")) == ["a_other.png", "a_style.png", "sub/b_other.png", "sub/b_style.png"]
    assert copying.encoded == 2
    assert [options["styles"] for options in copying.asked] == [[(64, 64)], [(30, 20)]] * 2


def test_pairs(copying: _Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "content=[content.png,style.png]", "style=[style.png,content.png]", "pairing=zip")
    assert written(Path("logs/stylized")) == ["content_style.png", "style_content.png"]
    assert [options["styles"] for options in copying.asked] == [[(64, 64)], [(65, 47)]]


@pytest.mark.usefixtures("copying")
def test_the_same_name_from_two_folders_is_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "y"):
        Path(name).mkdir()
        draw(Path(name, "a.png"))
    call(monkeypatch, "content=[x,y,x/a.png]", "style=style.png", "out=made")
    assert written(Path("made")) == ["a_png_style_png.png", "a_png_style_png_2.png"]


@pytest.mark.usefixtures("copying", "photos")
def test_a_broken_picture_is_passed_over_named_and_ends_with_1(failed: Failed) -> None:
    Path("photos/broken.jpg").write_bytes(b"\xff\xd8\xff")
    text = failed("content=photos", "style=style.png", "out=made")
    assert text.splitlines()[-1].startswith("error: content=photos/broken.jpg cannot be used (")
    assert text.endswith("the 3 results without them are done\n")
    assert len(written(Path("made"))) == 3


@pytest.mark.usefixtures("photos")
def test_results_inside_the_inputs_are_not_taken_for_inputs(copying: _Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        call(monkeypatch, "content=photos", "style=style.png", "out=photos/made")
    assert len(copying.asked) == 6


def test_results_are_replaced_or_kept(
    copying: _Copying, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, *EXISTING)
    call(monkeypatch, *EXISTING)
    assert len(copying.asked) == 2
    call(monkeypatch, "content=[content.png,style.png]", "style=style.png", "overwrite=false")
    assert len(copying.asked) == 3
    assert "1 results are there already and stay" in capsys.readouterr().out


# --- what reaches the stylizer ---------------------------------------------------------------------------------------


def test_everything_in_one_request(
    copying: _Copying, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(Path("mask, [1] = it's.png"), (20, 20))
    call(
        monkeypatch, "content=content.png", "styles=[style.png,content.png]", "weights=[2,1]", "alpha=1.5",
        "extrapolate=true", "masks=[\"mask, [1] = it's.png\",style.png]", "preserve_color=true", "tile=128",
    )  # fmt: skip
    (asked,) = copying.asked
    assert [style.size for style in asked["styles"]] == [(64, 64), (65, 47)]
    assert [mask.size for mask in asked["masks"]] == [(20, 20), (64, 64)]
    chosen = {key: asked[key] for key in ("weights", "alpha", "extrapolate", "preserve_color", "tile")}
    assert chosen == {"weights": [2, 1], "alpha": 1.5, "extrapolate": True, "preserve_color": "coral", "tile": 128}
    out = capsys.readouterr().out
    assert "weights 2, 1 are divided by their sum 3" in out
    assert "masks of 20 x 20 are resized to the content" in out
    assert written(Path("logs/stylized")) == ["content_style+content.png"]


def test_all_together_on_the_real_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.linear_gradient("L").save("mask.png")
    Image.linear_gradient("L").rotate(180).save("other.png")
    call(
        monkeypatch, "content=content.png", "styles=[style.png,content.png]", "weights=[0.3,0.7]", "out=a.png",
        "masks=[mask.png,other.png]", "preserve_color=coral", "alpha=0.9", "tile=64", "decoder=reference",
    )  # fmt: skip
    made = np.asarray(Image.open("a.png")).astype(float)
    assert made.shape == (47, 65, 3)
    assert np.abs(made - np.asarray(Image.open("content.png"))).mean() > 5


@pytest.mark.parametrize(("grid", "rows", "columns"), [("alpha", 1, 7), ("corners", 1, 7), ("styles", 2, 3)])
def test_a_grid(grid: str, rows: int, columns: int, copying: _Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = "styles" if grid == "corners" else "style"
    styles = "style=style.png" if grid == "alpha" else f"{mix}=[style.png,content.png]"
    call(monkeypatch, "content=content.png", styles, f"grid={grid}", "cell=32")
    (name,) = written(Path("logs/stylized"))
    assert name == ("content_style_alpha.png" if grid == "alpha" else f"content_style+content_{grid}.png")
    sheet = Image.open(Path("logs/stylized", name))
    assert sheet.size == (columns * (32 + 6) + 6, rows * (23 + 6 + 18) + 6)
    if grid == "alpha":
        assert [options["alpha"] for options in copying.asked] == [0, 0.25, 0.5, 0.75, 1]
    elif grid == "styles":
        one, other = (options["styles"] for options in copying.asked)
        assert len(one) == len(other) == 1
        assert one[0] is not other[0]
    else:
        assert [options["weights"] for options in copying.asked] == [
            (1, 0),
            (0.75, 0.25),
            (0.5, 0.5),
            (0.25, 0.75),
            (0, 1),
        ]


# --- what stays of a content -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize(("ending", "mode"), [("png", "RGBA"), ("webp", "RGBA"), ("jpg", "RGB")])
def test_transparency_stays_where_the_format_has_it(ending: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = Image.open("content.png").convert("RGBA")
    content.putalpha(Image.linear_gradient("L").resize(content.size))
    content.save("content.png")
    call(monkeypatch, *EXISTING, f"out=a.{ending}")
    made = Image.open(f"a.{ending}")
    assert made.mode == mode
    if mode == "RGBA":
        assert np.abs(np.asarray(made)[..., 3].astype(int) - np.asarray(content)[..., 3]).max() == 0
    else:
        assert min(made.getpixel((32, 0))) > 240  # type: ignore[type-var, arg-type]


@pytest.mark.usefixtures("copying")
def test_a_profile_is_converted_and_the_results_own_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open("content.png").save("content.png", icc_profile=srgb)
    for name in ("a.png", "b.png"):
        call(monkeypatch, *EXISTING, f"out={name}")
    embedded = ImageCms.ImageCmsProfile(io.BytesIO(Image.open("a.png").info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(embedded)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.usefixtures("copying")
def test_a_photograph_is_turned_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("content.png").save("photo.jpg", exif=exif)
    call(monkeypatch, "content=photo.jpg", "style=style.png", "out=a.jpg")
    made = Image.open("a.jpg")
    assert made.size == (47, 65)
    assert made.getexif().get(0x0112, 1) == 1


def test_a_grid_of_a_folder_of_styles_has_a_name_that_a_file_can_have(
    copying: _Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("many").mkdir()
    for number in range(40):
        shutil.copy("style.png", f"many/painting_{number:03}.png")
    call(monkeypatch, "content=content.png", "style=many", "grid=styles", "cell=16")
    assert written(Path("logs/stylized")) == ["content_painting_000+39more_styles.png"]
