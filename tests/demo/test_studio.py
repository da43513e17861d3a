from __future__ import annotations

import base64
import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from adain.demo import studio as studio_module
from adain.demo.studio import COLORS, Studio, blurred, painted
from adain.runtime.errors import InputError
from tests.helpers.pictures import HOSTILE, draw, encode, solid

NONE = (None, None, None)


def data_url(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_are_one_sentence(name: str, tmp_path: Path, studio: Studio) -> None:
    data, reason = HOSTILE[name]
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path / name, data):
        with pytest.raises(InputError, match=reason) as told:
            studio.read(source, "photograph")
        assert "\n" not in str(told.value)
        assert str(tmp_path) not in str(told.value)


def test_a_photograph_keeps_its_transparency(tmp_path: Path, studio: Studio) -> None:
    picture = Image.open(draw(tmp_path / "a.png", 1, (48, 40))).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "a.png")
    style = draw(tmp_path / "s.png", 2)
    read, made = studio.stylize(tmp_path / "a.png", (style, *NONE), (1, 1, 1, 1))
    assert (read.picture.mode, made.mode) == ("RGBA", "RGBA")
    assert np.array_equal(np.asarray(made)[..., 3], np.asarray(picture)[..., 3])


def test_a_cut_picture_and_a_sliver_are_refused(tmp_path: Path, studio: Studio) -> None:
    whole = draw(tmp_path / "a.jpg", 1, (400, 300)).read_bytes()
    with pytest.raises(InputError, match="photograph cannot be used"):
        studio.read(whole[: len(whole) // 2], "photograph")
    with pytest.raises(InputError, match="crop it first"):
        studio.read(draw(tmp_path / "b.png", 1, (2000, 40)), "photograph")


def tiled(side: int) -> bytes:
    """A TIFF file of 64 x 64 pixels that says it is one tile of ``side`` x ``side``."""
    tags = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 322: side, 323: side, 324: 0, 325: side**2}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode(Image.new("L", (2000, 1100)), "WEBP"), "max_pixels=2000000"),  # Pillow decodes it into 16 bytes a pixel
        (tiled(3000), "max_pixels=8000000"),
        (encode(Image.new("RGB", (64, 64)), "JPEG") + b"\xff\xda" * 100, "over 100 scans"),
    ],
)
def test_what_would_take_much_memory_or_time_is_refused_undecoded(data: bytes, reason: str, studio: Studio) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("it was decoded"))
        with pytest.raises(InputError, match=reason):
            studio.read(data, "photograph")


def test_one_upload_is_decoded_at_a_time(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, together, data = studio_module.decode_picture, [0], solid(9)

    def decode(*given: Any, **options: Any) -> Any:
        assert studio._decoding.locked()
        together.append(together[-1] + 1)
        picture = plain(*given, **options)
        together.append(together[-1] - 1)
        return picture

    monkeypatch.setattr(studio_module, "decode_picture", decode)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: studio.read(data, "style"), range(8)))
    assert max(together) == 1


def test_a_file_that_is_gone_is_said(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photograph is no longer here"):
        studio.read(tmp_path / "a.png", "photograph")


def test_large_pictures_are_reduced_and_upright(tmp_path: Path, studio: Studio) -> None:
    picture = Image.new("RGB", (300, 200), "red")
    exif = picture.getexif()
    exif[274] = 6  # a quarter turn
    picture.save(tmp_path / "a.jpg", exif=exif)
    read = studio.read(tmp_path / "a.jpg", "photograph")
    assert read.size == (200, 300)
    assert read.picture.size == (64, 96)


def test_the_same_as_the_library(tmp_path: Path, studio: Studio) -> None:
    content, a, b = (draw(tmp_path / f"{seed}.png", seed) for seed in (1, 2, 3))
    _, made = studio.stylize(content, (a, None, b, None), (0.2, 1, 0.6, 1), 0.7, "luminance")
    expected = studio.stylizer.stylize(
        Image.open(content), styles=[Image.open(a), Image.open(b)], weights=[0.25, 0.75], alpha=0.7,
        preserve_color="luminance",
    )  # fmt: skip
    assert np.abs(np.asarray(made, int) - np.asarray(expected, int)).max() <= 1


def test_a_style_is_encoded_once_whatever_the_file_is_called(tmp_path: Path, studio: Studio) -> None:
    content, style = draw(tmp_path / "c.png", 1), draw(tmp_path / "s.png", 2)
    copy = tmp_path / "other.png"
    copy.write_bytes(style.read_bytes())
    for source in (style, copy, style.read_bytes()):
        studio.stylize(content, (source, *NONE), (1, 1, 1, 1))
    studio.frame(content, (style, *NONE), (1, 1, 1, 1), 1.0, "none")
    assert studio.encoded == 1
    studio.stylize(content, (draw(tmp_path / "s.png", 3), *NONE), (1, 1, 1, 1))  # the same name, another picture
    assert studio.encoded == 2


def test_painted_regions(tmp_path: Path, studio: Studio) -> None:
    content = draw(tmp_path / "c.png", 1)
    a, b = draw(tmp_path / "a.png", 2), draw(tmp_path / "b.png", 3)
    sheet = Image.new("RGBA", (48, 36))
    ImageDraw.Draw(sheet).rectangle((0, 0, 15, 35), fill=COLORS[1])
    _, made = studio.stylize(content, (a, b, None, None), (1, 1, 1, 1), paint=data_url(sheet))
    before, after = np.asarray(Image.open(content), int), np.asarray(made, int)
    assert np.array_equal(before[:, 40:], after[:, 40:])  # unpainted: the photograph's own pixels
    alone = studio.stylizer.stylize(
        Image.open(content), Image.open(b), masks=[np.pad(np.ones((36, 16)), ((0, 0), (0, 32)))]
    )
    assert np.abs(after - np.asarray(alone, int)).max() <= 1
    _, filled = studio.stylize(content, (a, b, None, None), (1, 0, 1, 1), paint=data_url(sheet), rest="mix")
    assert np.abs(np.asarray(filled, int)[:, 60:] - before[:, 60:]).mean() > 5


def test_what_is_not_painted_takes_the_mix_of_the_shares(tmp_path: Path, studio: Studio) -> None:
    content, a, b = (draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("cab", 1))
    sheet = Image.new("RGBA", (96, 72))
    ImageDraw.Draw(sheet).rectangle((0, 0, 31, 71), fill=COLORS[1])
    _, made = studio.stylize(content, (a, b, None, None), (0.2, 0.6, 1, 1), paint=data_url(sheet), rest="mix")
    first = np.full((72, 96), 0.25)
    first[:, :32] = 0
    expected = studio.stylizer.stylize(
        Image.open(content), styles=[Image.open(a), Image.open(b)], masks=[first, 1 - first]
    )
    assert np.abs(np.asarray(made, int) - np.asarray(expected, int)).max() <= 1


def test_a_frame_of_the_camera_is_small_and_takes_the_shares(tmp_path: Path, studio: Studio) -> None:
    content, a, b = (draw(tmp_path / f"{name}.png", seed) for seed, name in enumerate("cab", 1))
    made = studio.frame(content, (a, None, b, None), (0.2, 1, 0.6, 1), 0.7, "coral")
    assert max(made.size) == studio.limits.live_side
    expected = studio.stylizer.stylize(
        studio.read(content, "frame", studio.limits.live_side).picture, styles=[Image.open(a), Image.open(b)],
        weights=[0.25, 0.75], alpha=0.7, preserve_color="luminance",
    )  # fmt: skip
    assert np.abs(np.asarray(made, int) - np.asarray(expected, int)).max() <= 1


def test_masks_of_a_painted_picture() -> None:
    sheet = Image.new("RGBA", (8, 4))
    for k, color in enumerate(COLORS):
        ImageDraw.Draw(sheet).rectangle((2 * k, 0, 2 * k + 1, 3), fill=color + ("80" if k == 3 else "ff"))
    masks = painted(data_url(sheet))
    assert masks.shape == (4, 4, 8)
    for k in range(4):
        assert masks[k, :, 2 * k : 2 * k + 2] == pytest.approx(0x80 / 255 if k == 3 else 1)
        assert masks[k].sum() == masks[k, :, 2 * k : 2 * k + 2].sum()


def test_soft_edges_blend_the_styles_and_add_up() -> None:
    masks = np.zeros((4, 40, 100))
    masks[0, :, :50] = masks[2, :, 50:] = 1
    soft = blurred(masks, 0.05)
    assert soft.sum(0) == pytest.approx(1, abs=0.01)
    assert soft[0, 20, 50] == pytest.approx(0.5, abs=0.06)
    assert soft[0, 20, 45] == pytest.approx(0.84, abs=0.06)  # a standard deviation of 5 pixels from the edge
    assert not soft[1].any()
    noise = np.random.default_rng(0).integers(0, 4, (40, 100)) == np.arange(4)[:, None, None]
    assert blurred(noise.astype(float), 0.02).sum(0).max() < 1 + 1e-9  # whatever is rounded up


def test_soft_edges_reach_the_picture(tmp_path: Path, studio: Studio) -> None:
    content, a = draw(tmp_path / "c.png", 1), draw(tmp_path / "a.png", 2)
    sheet = Image.new("RGBA", (48, 36))
    ImageDraw.Draw(sheet).rectangle((0, 0, 23, 35), fill=COLORS[0])
    hard, soft = (
        np.asarray(studio.stylize(content, (a, *NONE), (1, 1, 1, 1), paint=data_url(sheet), soft=soft)[1], int)
        for soft in (0, 0.05)
    )
    before = np.asarray(Image.open(content), int)
    assert np.array_equal(hard[:, 52:], before[:, 52:])
    assert not np.array_equal(soft[:, 50:56], before[:, 50:56])
    assert np.array_equal(soft[:, 90:], before[:, 90:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": None}, "no photograph yet"),
        ({"styles": (None, *NONE)}, "no style yet"),
        ({"shares": (0, 0, 1, 1), "second": True}, "share is 0"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"preserve_color": "sepia"}, "preserve_color=sepia"),
        ({"paint": "data:image/png;base64,AAAA"}, "clear it and paint again"),
        ({"paint": "no url"}, "clear it and paint again"),
        ({"paint": data_url(Image.new("RGBA", (20, 20), COLORS[2]))}, "style 3, which is empty"),
    ],
)
def test_mistakes(change: dict[str, Any], reason: str, tmp_path: Path, studio: Studio) -> None:
    content, style = draw(tmp_path / "c.png", 1), draw(tmp_path / "s.png", 2)
    given: dict[str, Any] = {"content": content, "styles": (style, *NONE), "shares": (1, 1, 1, 1), **change}
    if given.pop("second", False):
        given["styles"] = (style, style, None, None)
    with pytest.raises(InputError, match=reason):
        studio.stylize(**given)
