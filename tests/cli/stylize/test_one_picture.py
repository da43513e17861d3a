"""``make stylize``: a picture where it was asked for, by the decoder that was asked for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from adain.inference.stylizer import Stylizer
from tests.helpers.pictures import draw
from tests.helpers.runners import command
from tests.helpers.stylize import EXISTING, call, reference

# --- where it goes ----------------------------------------------------------------------------------------------------


def test_a_user_gets_a_picture_and_is_told_where(folder: Path) -> None:
    done = command("stylize", *EXISTING, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "logs/stylized/content_style.png  (65 x 47, decoder shipped)"
    assert Image.open(folder / "logs/stylized/content_style.png").size == (65, 47)


def test_the_default_is_named_after_both_pictures() -> None:
    call(*EXISTING)
    assert Path("logs/stylized/content_style.png").is_file()


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize("out", ["a.png", "new/folder/a.jpg", "a b.webp", "A.JPEG", "k=v, [1].png", "画.png"])
def test_the_output_goes_where_it_is_asked_for(out: str) -> None:
    call(*EXISTING, f"out={out}")
    assert Image.open(out).size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_an_older_output_is_replaced() -> None:
    draw(Path("a.png"), size=(20, 20))
    call(*EXISTING, "out=a.png")
    assert Image.open("a.png").size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_nothing_else_is_left(folder: Path) -> None:
    call(*EXISTING)
    assert [path.name for path in (folder / "logs").rglob("*") if path.is_file()] == ["content_style.png"]


@pytest.mark.parametrize("size", [(16, 16), (65, 47), (71, 64), (64, 96)])
def test_the_output_has_the_contents_size(size: tuple[int, int]) -> None:
    draw(Path("content.png"), size=size)
    call(*EXISTING, "out=a.png")
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
def test_any_file_name_is_taken(name: str, folder: Path) -> None:
    (folder / "content.png").rename(folder / name)
    call(f"content={name}", "style=style.png", "out=a.png")
    assert Image.open("a.png").size == (65, 47)


@pytest.mark.usefixtures("copying")
def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    call("content=~/content.png", "style=~/style.png", "out=~/a.png")
    assert (folder / "a.png").is_file()


# --- which decoder, how much of the style -----------------------------------------------------------------------------


def test_without_a_run_the_shipped_decoder_is_used_and_that_is_said() -> None:
    assert call(*EXISTING).startswith("decoder: shipped with the package (no run under logs/ yet; decoder=")


def test_the_reference_may_be_asked_for() -> None:
    assert call(*EXISTING, "decoder=reference") == "logs/stylized/content_style.png  (65 x 47, decoder reference)\n"


@pytest.mark.parametrize(("names", "chosen"), [(["best", "last"], "best"), (["last"], "last")])
def test_the_newest_finished_runs_best_decoder_is_the_default(
    names: list[str], chosen: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(decoder: str, device: str | None = None, precision: str = "32-true") -> Stylizer:
        asked.append(decoder)
        return reference()

    monkeypatch.setattr(Stylizer, "load", load)
    checkpoints = folder / "logs" / "runs" / "a" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in names:
        (checkpoints / f"{name}.ckpt").touch()
    record = {"status": "finished", "model": "adain", "ablation": False, "draft": None}
    (checkpoints.parent / "summary.json").write_text(json.dumps(record))
    (folder / "logs" / "latest").symlink_to(checkpoints.parent, target_is_directory=True)
    call(*EXISTING)
    assert asked == [f"logs/runs/a/checkpoints/{chosen}.ckpt"]


def test_alpha_changes_the_picture() -> None:
    call(*EXISTING, "out=plain.png", "alpha=0")
    call(*EXISTING, "out=full.png")
    assert Image.open("plain.png").tobytes() != Image.open("full.png").tobytes()


# --- what stays of a content ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize(("ending", "mode"), [("png", "RGBA"), ("webp", "RGBA"), ("jpg", "RGB")])
def test_transparency_stays_where_the_format_has_it(ending: str, mode: str) -> None:
    content = Image.open("content.png").convert("RGBA")
    content.putalpha(Image.linear_gradient("L").resize(content.size))
    content.save("content.png")
    call(*EXISTING, f"out=a.{ending}")
    made = Image.open(f"a.{ending}")
    assert made.mode == mode
    if mode == "RGBA":
        assert np.abs(np.asarray(made)[..., 3].astype(int) - np.asarray(content)[..., 3]).max() == 0
    else:
        assert min(made.getpixel((32, 0))) > 240  # type: ignore[type-var, arg-type]


@pytest.mark.usefixtures("copying")
def test_a_profile_is_converted_and_the_results_own_is_embedded() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open("content.png").save("content.png", icc_profile=srgb)
    for name in ("a.png", "b.png"):
        call(*EXISTING, f"out={name}")
    embedded = ImageCms.ImageCmsProfile(io.BytesIO(Image.open("a.png").info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(embedded)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.usefixtures("copying")
def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("content.png").save("photo.jpg", exif=exif)
    call("content=photo.jpg", "style=style.png", "out=a.jpg")
    made = Image.open("a.jpg")
    assert made.size == (47, 65)
    assert made.getexif().get(0x0112, 1) == 1
