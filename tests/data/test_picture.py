from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, JpegImagePlugin, PngImagePlugin

from adain.data.picture import (
    MAX_PIXELS,
    PictureError,
    TooLarge,
    decode_picture,
    read_picture,
    resize_short_side,
    to_picture,
    to_tensor,
    to_unit,
)
from tests.helpers.pictures import encode, gradient, green_first, png_chunk, png_header, printer, with_chunk


def read(data: bytes, **options: int) -> Image.Image:
    return read_picture(io.BytesIO(data), **options)


def near(picture: Image.Image, color: tuple[int, int, int], at: tuple[int, int] = (0, 0), by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(picture.getpixel(at), color, strict=True))


GRADIENT = gradient(203, 150)


# what is not a usable picture


def test_truncated_jpeg() -> None:
    data = encode(GRADIENT, "JPEG")
    with pytest.raises(PictureError, match="truncated"):
        read(data[: len(data) // 2])


def test_truncated_jpeg_in_draft_mode() -> None:
    data = encode(GRADIENT, "JPEG")
    with pytest.raises(PictureError, match="truncated"):
        read(data[: len(data) // 2], short_side=16)


def test_truncated_png() -> None:
    data = encode(GRADIENT)
    with pytest.raises(PictureError):
        read(data[: len(data) // 2])


@pytest.mark.parametrize("content", [b"", b"dear reader, this is not a picture"])
def test_no_picture(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "renamed.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=r"^empty or not a picture$"):
        read_picture(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"^the file does not exist$"):
        read_picture(tmp_path / "none.jpg")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"^this is a folder$"):
        read_picture(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [40_000, 12_000])  # above twice Pillow's limit, and where Pillow only warns
def test_bomb_is_refused_before_decoding(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match="max_pixels"):
        read(png_header(side, side))


def test_lower_max_pixels() -> None:
    data = encode(Image.new("RGB", (30, 30)))
    assert read(data, max_pixels=900).size == (30, 30)
    with pytest.raises(TooLarge, match="30 x 30 is over max_pixels=899"):
        read(data, max_pixels=899)


def test_higher_max_pixels_than_pillow_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read(encode(Image.new("RGB", (30, 30))), max_pixels=900).size == (30, 30)


def test_raised_limit_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = encode(Image.new("RGB", (30, 30)))
    read(data, max_pixels=900)
    with pytest.raises(PictureError, match="max_pixels=200"):
        read(data, max_pixels=200)


def test_max_pixels_is_pillows_default() -> None:
    assert MAX_PIXELS == (1024 * 1024 * 1024 // 4 // 3)


def test_min_side() -> None:
    data = encode(Image.new("RGB", (40, 15)))
    assert read(data, min_side=15).size == (40, 15)
    with pytest.raises(PictureError, match="40 x 15 is below 16 pixels a side"):
        read(data, min_side=16)


def test_reason_is_one_line_without_the_name(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"no")
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


# every kind of picture becomes RGB


def test_red_comes_out_red() -> None:
    picture = read(encode(Image.new("RGB", (8, 6), (255, 0, 0))))
    assert picture.mode == "RGB"
    assert to_tensor(picture)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
def test_jpeg_colors(color: tuple[int, int, int]) -> None:
    assert near(read(encode(Image.new("RGB", (64, 48), color), "JPEG"), short_side=12), color)


def test_single_pixel() -> None:
    data = encode(Image.new("RGB", (1, 1), (1, 2, 3)))
    assert read(data).getpixel((0, 0)) == (1, 2, 3)
    assert read(data, short_side=16).size == (16, 16)


@pytest.mark.parametrize(("mode", "gray"), [("L", 77), ("1", 255)])
def test_gray(mode: str, gray: int) -> None:
    assert read(encode(Image.new(mode, (8, 6), gray))).getpixel((0, 0)) == (gray, gray, gray)


def test_gray_jpeg() -> None:
    picture = read(encode(Image.new("L", (64, 48), 77), "JPEG"), short_side=12)
    assert picture.mode == "RGB"
    assert near(picture, (77, 77, 77), by=2)


@pytest.fixture
def palette() -> Image.Image:
    picture = Image.new("P", (8, 6), 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    return picture


def test_palette(palette: Image.Image) -> None:
    picture = read(encode(palette))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (200, 100, 50)]


def test_transparent_palette_is_composited_on_white(palette: Image.Image) -> None:
    picture = read(encode(palette, transparency=0))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (200, 100, 50)]


def test_palette_with_shades_of_transparency(palette: Image.Image) -> None:
    picture = read(encode(palette, transparency=bytes([128, 255])))
    assert near(picture, (132, 137, 142), by=1)
    assert picture.getpixel((1, 0)) == (200, 100, 50)


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 127), (255, 128, 128)),
        ("LA", (100, 255), (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
    ],
)
def test_transparency_is_composited_on_white(mode: str, pixel: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert near(read(encode(Image.new(mode, (8, 6), pixel))), expected, by=1)


@pytest.mark.parametrize(("mode", "key", "other"), [("RGB", (255, 0, 0), (0, 0, 9)), ("L", 7, 9)])
def test_color_key_is_composited_on_white(mode: str, key: object, other: object) -> None:
    picture = Image.new(mode, (8, 6), key)
    picture.putpixel((1, 0), other)
    result = read(encode(picture, transparency=key))
    assert result.getpixel((0, 0)) == (255, 255, 255)
    assert result.getpixel((1, 0)) != (255, 255, 255)


def test_cmyk_jpeg() -> None:
    assert near(read(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)), (255, 0, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    levels = np.array([[0, 256, 16_384, 32_768, 49_152, 65_535]] * 4, dtype=np.uint16)
    picture = read(encode(Image.fromarray(levels), kind))
    assert [picture.getpixel((x, 0))[0] for x in range(6)] == [0, 1, 64, 128, 191, 255]


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_float_tiff(top: float) -> None:
    levels = np.array([[0, top / 2, top]] * 4, dtype=np.float32)
    picture = read(encode(Image.fromarray(levels), "TIFF"))
    assert [picture.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_sixteen_bits_with_short_side() -> None:
    picture = read(encode(Image.fromarray(np.full((40, 60), 32_768, dtype=np.uint16))), short_side=20)
    assert picture.size == (30, 20)
    assert picture.getpixel((5, 5)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "P+key", "RGB", "RGB+key", "RGBA", "CMYK", "I;16", "F"])
def test_reduced_while_decoding_it_looks_the_same(mode: str) -> None:
    picture, options = gradient(1024, 520), {}
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode.endswith("+key"):
        mode = mode.removesuffix("+key")
        options["transparency"] = 7 if mode == "P" else (255, 255, 0)
    data = encode(picture.convert(mode), "TIFF" if mode in ("CMYK", "F") else "PNG", **options)
    small = decode_picture(io.BytesIO(data), longest=64, keep_alpha=True)
    whole = decode_picture(io.BytesIO(data), keep_alpha=True).reduce(8)
    assert small.size == whole.size == (128, 65)
    assert small.mode == whole.mode
    assert np.abs(np.asarray(small, int) - np.asarray(whole, int)).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_reduced_while_decoding_it_is_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(gradient(512, 256), kind, exif=exif)
    assert decode_picture(io.BytesIO(data), longest=64).size == (64, 128)


def test_a_large_gray_picture_is_reduced_before_its_depth() -> None:
    """Numpy needs 24 bytes a pixel to scale 16 bits: of the reduced picture."""
    data = encode(Image.new("I;16", (1200, 1200)), "PNG")
    tracemalloc.start()
    decode_picture(io.BytesIO(data), longest=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 1200**2


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "lime", "blue")]
    assert read(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("short_side", [None, 15])
def test_exif_rotation(short_side: int | None) -> None:
    stored = Image.new("RGB", (80, 60), "blue")
    stored.paste("red", (0, 0, 80, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: what is stored above stands on the right
    picture = read(encode(stored, "JPEG", exif=exif, quality=95), short_side=short_side)  # type: ignore[arg-type]
    width, height = picture.size
    assert (width, height) == ((60, 80) if short_side is None else (15, 20))
    assert near(picture, (255, 0, 0), (width - 2, height // 2))
    assert near(picture, (0, 0, 255), (1, height // 2))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File Read")
def test_broken_exif_is_ignored() -> None:
    assert read(encode(Image.new("RGB", (16, 12)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")).size == (16, 12)


def test_color_profile_is_applied() -> None:
    picture = read(encode(Image.new("RGB", (8, 6), (255, 0, 0)), icc_profile=green_first()))
    assert near(picture, (0, 255, 0))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_inks_follow_their_profile(kind: str) -> None:
    """Expect the luminance of Lab's L under sRGB's curve; without the profile: white, cyan, magenta, black."""
    inks = {(0, 0, 0, 0): 100, (255, 0, 0, 0): 50, (0, 255, 0, 0): 60, (255, 255, 0, 255): 10}
    printed = Image.new("CMYK", (64, 16))
    for place, ink in enumerate(inks):
        printed.paste(ink, (16 * place, 0, 16 * place + 16, 16))
    options = {"quality": 100} if kind == "JPEG" else {}
    picture = read(encode(printed, kind, icc_profile=printer(), **options))
    for place, lightness in enumerate(inks.values()):
        gray = round(255 * (1.055 * ((lightness + 16) / 116) ** (3 / 2.4) - 0.055))
        assert near(picture, (gray, gray, gray), (16 * place + 8, 8), by=3)


def test_broken_color_profile_is_ignored() -> None:
    picture = read(encode(Image.new("RGB", (8, 6), (255, 0, 0)), icc_profile=b"no profile"))
    assert picture.getpixel((0, 0)) == (255, 0, 0)


# PNG files that viewers show


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("behind", [True, False], ids=["behind the pixels", "before them"])
def test_png_with_megabytes_of_text(kind: bytes, behind: bool) -> None:
    long = b"history " * 2_500_000
    text = {b"tEXt": b"key\0" + long, b"zTXt": b"key\0\0" + zlib.compress(long),
            b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(long)}[kind]  # fmt: skip
    png = encode(GRADIENT)
    data = png[:-12] + png_chunk(kind, text) + png[-12:] if behind else with_chunk(png, png_chunk(kind, text))
    assert np.array_equal(np.asarray(read(data)), np.asarray(GRADIENT))


def test_png_with_a_profile_above_a_megabyte() -> None:
    profile = green_first() + np.random.default_rng(0).bytes(1_500_000)
    profile = struct.pack(">I", len(profile)) + profile[4:]
    data = encode(Image.new("RGB", (8, 6), (255, 0, 0)), icc_profile=profile)
    assert near(read(data), (0, 255, 0))


@pytest.mark.parametrize("kind", [b"iCCP", b"tEXt", b"gAMA", b"pHYs"])
def test_png_whose_metadata_has_a_wrong_checksum(kind: bytes, tmp_path: Path) -> None:
    chunk = png_chunk(kind, b"name\0\0" + zlib.compress(b"metadata"))
    (tmp_path / "a.png").write_bytes(with_chunk(encode(GRADIENT), chunk[:-4] + b"\0\1\2\3"))
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.png")), np.asarray(GRADIENT))


def test_png_whose_profile_is_packed_in_an_unknown_way() -> None:
    data = with_chunk(encode(GRADIENT), png_chunk(b"iCCP", b"name\0\7" + b"profile"))
    assert np.array_equal(np.asarray(read(data)), np.asarray(GRADIENT))


# kinds that are named


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("a.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"HEIF pictures need a package: .*heif"),
        ("a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"HEIF pictures need a package: .*heif"),
        ("a.jxl", b"\xff\x0a" + bytes(20), r"JXL pictures need a package: .*jxl"),
        ("a.nef", b"MM\0*" + bytes(20), r"\.nef files are not supported: convert"),
        ("a.heic", b"", "empty or not a picture"),
        ("a.tif", b"II*\0" + bytes(20), "a TIFF file of a rare kind"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "empty or not a picture"),
    ],
)
def test_kinds_that_cannot_be_read_are_named(name: str, head: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(head)
    with pytest.raises(PictureError, match=said):
        read_picture(tmp_path / name)


def test_a_raw_photograph_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "a.dng", "TIFF")
    with pytest.raises(PictureError, match="convert it"):
        read_picture(tmp_path / "a.dng")


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "PPM", "TGA"])
def test_other_kinds_are_read(kind: str) -> None:
    assert near(read(encode(Image.new("RGB", (32, 24), (250, 10, 20)), kind)), (250, 10, 20))


# size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("short_side", [None, 15])
def test_the_full_size_is_upright_in_every_kind(kind: str, orientation: int, short_side: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = read(encode(Image.new("RGB", (80, 60), "blue"), kind, exif=exif), short_side=short_side)  # type: ignore[arg-type]
    upright = (80, 60) if orientation < 5 else (60, 80)
    assert made.info["full_size"] == upright
    assert made.size == (upright if short_side is None else (20, 15) if orientation < 5 else (15, 20))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("short_side", [10, 20, 38, 100, 150, 200])
def test_short_side_keeps_the_aspect(kind: str, short_side: int) -> None:
    width, height = read(encode(GRADIENT, kind), short_side=short_side).size
    assert height == short_side
    assert abs(width - 203 * short_side / 150) < 1


def test_portrait_short_side() -> None:
    assert read(encode(GRADIENT.transpose(Image.Transpose.ROTATE_90)), short_side=75).size == (75, 102)


def test_draft_shows_the_same_picture() -> None:
    draft = read(encode(GRADIENT, "JPEG", quality=95), short_side=30)
    whole = read(encode(GRADIENT, "PNG"), short_side=30).resize(draft.size)
    assert np.abs(np.asarray(draft, float) - np.asarray(whole, float)).mean() < 4


def test_jpeg_is_decoded_small(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    plain = JpegImagePlugin.JpegImageFile.load

    def load(self: JpegImagePlugin.JpegImageFile) -> object:
        decoded.append(self.size)
        return plain(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", load)
    read(encode(GRADIENT, "JPEG"), short_side=30)
    assert set(decoded) == {(51, 38)}  # a quarter of 203 x 150, and no smaller than what is asked for


def test_sliver_is_refused() -> None:
    with pytest.raises(PictureError, match="64 times"):
        read(encode(Image.new("RGB", (2000, 2))), short_side=16)


def test_a_picture_of_the_right_size_is_not_resized() -> None:
    assert resize_short_side(GRADIENT, 150) is GRADIENT


# tensors


def test_to_tensor_layout() -> None:
    picture = Image.new("RGB", (3, 2))
    picture.putpixel((2, 1), (1, 2, 3))
    tensor = to_tensor(picture)
    assert tensor.shape == (3, 2, 3)
    assert tensor.dtype == torch.uint8
    assert tensor[:, 1, 2].tolist() == [1, 2, 3]


def test_to_unit() -> None:
    unit = to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert unit.dtype == torch.float32
    torch.testing.assert_close(unit, torch.tensor([0.0, 0.2, 1.0]))


def test_to_picture_undoes_to_tensor() -> None:
    assert np.array_equal(np.asarray(to_picture(to_unit(to_tensor(GRADIENT)))), np.asarray(GRADIENT))


def test_to_picture_clamps() -> None:
    tensor = torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1)
    assert to_picture(tensor).getpixel((0, 0)) == (0, 128, 255)
