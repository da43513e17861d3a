"""``make stylize``: folders, pairs, mixes and grids."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adain.data.image_io import to_pixels
from adain.inference.stroke import working_size
from adain.inference.stylizer import Stylizer
from tests.helpers.pictures import deny, draw
from tests.helpers.stylize import EXISTING, Copying, call, failed, written

# --- several ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(folder: Path) -> Path:
    """A folder with a sub-folder, a colliding name, a file that is not a picture, and a broken one."""
    photos = folder / "photos"
    for name in ("a.png", "a.jpg", "sub/b.png", "sub/.hidden.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        draw(photos / name)
    (photos / "notes.txt").write_text("no picture")
    return photos


@pytest.mark.usefixtures("copying", "photos")
def test_a_folder_is_stylized_with_its_sub_folders_and_no_name_twice() -> None:
    call("content=photos", "style=style.png", "out=made", "format=webp")
    assert written(Path("made")) == ["a_jpg_style_png.webp", "a_png_style_png.webp", "sub/b_style.webp"]


@pytest.mark.usefixtures("photos")
def test_every_content_with_every_style_each_encoded_once(copying: Copying) -> None:
    draw(Path("other.png"), size=(30, 20))
    call("content=photos/**/*.png", "style=[style.png,other.png]", "out=made/")
    assert written(Path("made")) == ["a_other.png", "a_style.png", "sub/b_other.png", "sub/b_style.png"]
    assert copying.encoded == 2
    assert [options["styles"] for options in copying.asked] == [[(64, 64)], [(30, 20)]] * 2


def test_pairs(copying: Copying) -> None:
    call("content=[content.png,style.png]", "style=[style.png,content.png]", "pairing=zip")
    assert written(Path("logs/stylized")) == ["content_style.png", "style_content.png"]
    assert [options["styles"] for options in copying.asked] == [[(64, 64)], [(65, 47)]]


def test_pairs_may_repeat_a_picture_or_a_link_to_it(copying: Copying) -> None:
    draw(Path("other.png"), size=(30, 20))
    Path("linked.png").symlink_to("style.png")
    call("content=[content.png,content.png]", "style=[style.png,other.png]", "pairing=zip", "out=a/")
    call("content=[content.png,other.png]", "style=[style.png,linked.png]", "pairing=zip", "out=b/")
    call("content=[content.png,content.png]", "style=[style.png,style.png]", "pairing=zip", "out=c/")
    assert written(Path("a")) == ["content_other.png", "content_style.png"]
    assert written(Path("b")) == ["content_style.png", "other_linked.png"]
    assert len(written(Path("c"))) == 2
    call("content=[content.png,other.png,content.png]", "style=[style.png,linked.png]", "out=d/")
    assert written(Path("d")) == ["content_style.png", "other_style.png"], "every pair once"


@pytest.mark.usefixtures("copying")
def test_long_names_are_cut_and_stay_different() -> None:
    """Names have bytes, not characters, and two that differ at their end alone do not meet."""
    for name in ("x" * 240 + "1", "x" * 240 + "2", "字" * 80, "short"):
        draw(Path("long", f"{name}.jpg"))
    draw(Path("painted", "y" * 120 + ".jpg"))
    for _ in range(2):
        call("content=long", "style=painted", "out=made/", "overwrite=false")
        names = written(Path("made"))
        assert len(names) == 4
        assert all(len(os.fsencode(name)) <= 255 for name in names)
        assert sorted({name[:2] for name in names}) == ["sh", "xx", "字字"]
        assert all("yyyy" in name for name in names), "content and style are both told"


@pytest.mark.usefixtures("copying")
def test_a_typed_name_that_no_file_can_have_is_refused_before_any_work() -> None:
    text = failed("content=content.png", "style=style.png", f"out={'x' * 260}.png")
    assert "is too long for a file system" in text


@pytest.mark.usefixtures("copying")
def test_the_same_name_from_two_folders_is_numbered() -> None:
    for name in ("x", "y"):
        Path(name).mkdir()
        draw(Path(name, "a.png"))
    call("content=[x,y,x/a.png]", "style=style.png", "out=made")
    assert written(Path("made")) == ["a_png_style_png.png", "a_png_style_png_2.png"]


@pytest.mark.usefixtures("copying", "photos")
def test_a_broken_picture_is_passed_over_named_and_ends_with_1() -> None:
    Path("photos/broken.jpg").write_bytes(b"\xff\xd8\xff")
    text = failed("content=photos", "style=style.png", "out=made")
    assert text.splitlines()[-1].startswith("error: content=photos/broken.jpg cannot be used (")
    assert text.endswith("the other 3 results are done\n")
    assert len(written(Path("made"))) == 3
    for number in range(6):
        Path(f"photos/broken{number}.jpg").touch()
    *_, last, said = failed("content=photos", "style=style.png", "out=made").splitlines()
    assert last == "content=photos/broken5.jpg cannot be used (empty or not a picture)"
    assert said.startswith("error: 7 inputs, listed above, cannot be used: ")


@pytest.mark.parametrize(
    ("size", "arguments", "reason"),
    [
        ((640, 20), ("stroke=16",), "stroke=16 leaves 32 x 1 pixels to paint on: give less"),
        ((3000, 40), ("side=32",), "3000 x 40 is over 64 times longer than wide"),
        ((3000, 40), ("grid=alpha", "cell=32"), "the content picture is 32 x 1: give one of at least 16 x 16"),
        ((16400, 16), ("format=webp",), "webp holds no 16400 x 16 pixels, which format=png does"),
        ((640, 40), (), "it does not fit into memory; side=512 or tile=256 needs less"),
    ],
)
def test_a_content_that_the_options_do_not_fit_is_named_and_the_others_are_made(
    size: tuple[int, int], arguments: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Checking(Copying):
        """Takes what the real one takes."""

        def stylize(self, content: Image.Image, **options: Any) -> Image.Image:
            if not arguments and content.width == 640:
                raise RuntimeError("CUDA out of memory")
            to_pixels(content, "content")
            if options["stroke"] is not None:
                working_size(content.height, content.width, options["stroke"])
            return content

    monkeypatch.setattr(Stylizer, "load", lambda decoder, device=None, precision="32-true": Checking())
    draw(Path("in/a.png"), size=(64, 64))
    draw(Path("in/long.png"), size=size)
    draw(Path("in/z.png"), size=(64, 64))
    text = failed("content=in", "style=style.png", "out=made", *arguments)
    assert f"content=in/long.png cannot be used ({reason})" in text
    assert text.endswith("the other 2 results are done\n")
    assert len(written(Path("made"))) == 2


@pytest.mark.usefixtures("copying", "photos")
def test_an_unreadable_subfolder_is_named_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch, "sub")
    text = failed("content=photos", "style=style.png", "out=made")
    assert "content=photos/sub cannot be used (it may not be read: check its permissions)" in text
    assert len(written(Path("made"))) == 2


@pytest.mark.usefixtures("copying")
def test_what_no_plug_in_reads_is_named_and_thumbnails_are_not_stylized() -> None:
    for name in ("in/a.jpg", "in/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "in/#recycle/b.jpg"):
        draw(Path(name))
    draw(Path("in/c.jfif"), format="JPEG")
    Path("in/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    text = failed("content=in", "style=style.png", "out=made")
    assert "in/IMG_1.HEIC cannot be used (HEIF pictures need a package: " in text
    assert written(Path("made")) == ["a_style.png", "c_style.png"]


@pytest.mark.usefixtures("photos")
def test_results_inside_the_inputs_are_not_taken_for_inputs(copying: Copying) -> None:
    for _ in range(2):
        call("content=photos", "style=style.png", "out=photos/made")
    assert len(copying.asked) == 6


def test_results_are_replaced_or_kept(copying: Copying) -> None:
    call(*EXISTING)
    call(*EXISTING)
    assert len(copying.asked) == 2
    out = call("content=[content.png,style.png]", "style=style.png", "overwrite=false")
    assert len(copying.asked) == 3
    assert "1 results are there already and stay" in out


# --- what reaches the stylizer ----------------------------------------------------------------------------------------


def test_everything_in_one_request(copying: Copying) -> None:
    draw(Path("mask, [1] = it's.png"), size=(20, 20))
    out = call(
        "content=content.png", "styles=[style.png,content.png]", "weights=[2,1]", "alpha=1.5",
        "extrapolate=true", "masks=[\"mask, [1] = it's.png\",style.png]", "preserve_color=true", "tile=128",
    )  # fmt: skip
    (asked,) = copying.asked
    assert [style.size for style in asked["styles"]] == [(64, 64), (65, 47)]
    assert [mask.size for mask in asked["masks"]] == [(20, 20), (64, 64)]
    chosen = {key: asked[key] for key in ("weights", "alpha", "extrapolate", "preserve_color", "tile")}
    assert chosen == {"weights": [2, 1], "alpha": 1.5, "extrapolate": True, "preserve_color": "coral", "tile": 128}
    assert "weights 2, 1 are divided by their sum 3" in out
    assert "masks of 20 x 20 are resized to the content" in out
    assert written(Path("logs/stylized")) == ["content_style+content.png"]


def test_all_together_on_the_real_networks() -> None:
    Image.linear_gradient("L").save("mask.png")
    Image.linear_gradient("L").rotate(180).save("other.png")
    call(
        "content=content.png", "styles=[style.png,content.png]", "weights=[0.3,0.7]", "out=a.png",
        "masks=[mask.png,other.png]", "preserve_color=coral", "alpha=0.9", "tile=64", "decoder=reference",
    )  # fmt: skip
    made = np.asarray(Image.open("a.png")).astype(float)
    assert made.shape == (47, 65, 3)
    assert np.abs(made - np.asarray(Image.open("content.png"))).mean() > 5


@pytest.mark.parametrize(("grid", "rows", "columns"), [("alpha", 1, 7), ("corners", 1, 7), ("styles", 2, 3)])
def test_a_grid(grid: str, rows: int, columns: int, copying: Copying) -> None:
    mix = "styles" if grid == "corners" else "style"
    styles = "style=style.png" if grid == "alpha" else f"{mix}=[style.png,content.png]"
    call("content=content.png", styles, f"grid={grid}", "cell=32", "alpha=0.6")
    (name,) = written(Path("logs/stylized"))
    assert name == ("content_style_alpha.png" if grid == "alpha" else f"content_style+content_{grid}.png")
    sheet = Image.open(Path("logs/stylized", name))
    assert sheet.size == (columns * (32 + 6) + 6, rows * (23 + 6 + 18) + 6)
    alphas = [options["alpha"] for options in copying.asked]
    assert alphas == ([0, 0.25, 0.5, 0.75, 1] if grid == "alpha" else [0.6] * len(alphas))
    if grid == "styles":
        one, other = (options["styles"] for options in copying.asked)
        assert len(one) == len(other) == 1
        assert one[0] is not other[0]
    elif grid == "corners":
        assert [options["weights"] for options in copying.asked] == [
            (1, 0),
            (0.75, 0.25),
            (0.5, 0.5),
            (0.25, 0.75),
            (0, 1),
        ]


def test_a_grid_of_a_folder_of_styles_has_a_name_that_a_file_can_have(copying: Copying) -> None:
    Path("many").mkdir()
    for number in range(40):
        shutil.copy("style.png", f"many/painting_{number:03}.png")
    call("content=content.png", "style=many", "grid=styles", "cell=16")
    assert written(Path("logs/stylized")) == ["content_painting_000+39more_styles.png"]


def test_two_decoders_side_by_side() -> None:
    call(*EXISTING, "grid=decoders", "decoder=reference", "cell=32")
    sheet = Image.open("logs/stylized/content_style_decoders.png")
    assert sheet.size == (4 * (32 + 6) + 6, 23 + 6 + 18 + 6)
    cells = [sheet.crop((6 + 38 * i, 24, 38 + 38 * i, 47)).tobytes() for i in range(4)]
    assert len(set(cells)) == 4
    said = failed(*EXISTING, "grid=decoders")
    assert "beside the shipped one, which decoder=auto is: give latest, or a path" in said
