"""``make stylize``: a mistake is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.pictures import draw
from tests.helpers.stylize import EXISTING, MIX, failed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "content must be given: for example content=PATH"),
        (("content=content.png",), "style=PATH, or styles=A,B for a mix, must be given: neither"),
        ((*EXISTING, "styles=[style.png]"), "must be given: both are given"),
        (
            ("content=none.png", "style=style.png"),
            "content=none.png does not exist: give a picture, a folder or a glob",
        ),
        (("content=a.png,b.png", "style=style.png"), "content=a.png does not exist: give a picture"),
        (("content=no*.jpg", "style=style.png"), "content=no*.jpg matches no picture"),
        (("content=content.png", "style=empty"), "style=empty is a folder without pictures: give a folder of pictures"),
        (("content=text.png", "style=style.png"), "content=text.png cannot be used (empty or not a picture)"),
        (("content=tiny.png", "style=style.png"), "content=tiny.png cannot be used (8 x 8 is below 16 pixels a side)"),
        (("content=content.png", "style=tiny.png"), "style=tiny.png cannot be used (8 x 8 is below 16 pixels a side)"),
        (
            (*EXISTING, "max_pixels=3000"),
            "content=content.png cannot be used (65 x 47 is over max_pixels=3000, which may be raised)",
        ),
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
        ((*EXISTING, "alpha=nan"), "alpha=nan is not a number: give at least 0"),
        ((*EXISTING, "alpha=half"), "alpha=half is of the wrong type: give a number, such as alpha=1.0"),
        ((*EXISTING, "weights=[1]"), "weights are for mixing"),
        ((*MIX, "weights=[0.7]"), "weights: 1 given, styles: 2: give one weight for each style"),
        ((*MIX, "weights=0.7"), "weights: 1 given, styles: 2: give one weight for each style"),
        ((*MIX, "weights=[a,b]"), "is not allowed: give a list of numbers"),
        ((*MIX, "weights=[0,0]"), "not all of them 0"),
        ((*MIX, "masks=[content.png]"), "masks: 1 given, styles: 2: give one mask for each style"),
        ((*MIX, "masks=[content.png,black.png]"), "masks=black.png covers nothing"),
        ((*MIX, "masks=[content.png,text.png]"), "masks=text.png cannot be used (empty or not a picture)"),
        ((*MIX, "grid=alpha"), "grid=alpha takes one style"),
        ((*EXISTING, "grid=corners"), "grid=corners has 2 to 4 styles at its corners, but 1 are given"),
        ((*MIX, "grid=corners", "weights=[1,2]"), "grid=corners takes neither weights nor masks"),
        ((*EXISTING, "preserve_color=hue"), "preserve_color=hue is not allowed; choose one of none, coral, luminance"),
        ((*EXISTING, "tile=7"), "tile=7 cannot be used: give auto, none, or"),
        ((*EXISTING, "decoder=referenc"), "did you mean reference?"),
        ((*EXISTING, "decoder=empty"), "empty is a folder without checkpoints/best.ckpt"),
        ((*EXISTING, "decoder=text.png"), "text.png"),
        (("contnt=content.png", "style=style.png"), "unknown key contnt (did you mean content?)"),
        (("content=null", "style=style.png"), "content=null cannot be used"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], said: str, folder: Path) -> None:
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
def test_an_output_that_cannot_be_written_leaves_no_part_of_it(folder: Path) -> None:
    (folder / "new" / "content_style.png").mkdir(parents=True)
    assert "out=new/content_style.png cannot be written" in failed(*EXISTING, "out=new")
    assert [path.name for path in (folder / "new").iterdir()] == ["content_style.png"]
