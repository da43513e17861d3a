"""The Python face of a decoder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adain.data.image_io import to_mask, unit
from adain.data.picture import to_picture, to_tensor, to_unit
from adain.functional.statistics import Statistics
from adain.inference.stylizer import Stylizer
from adain.nn.decoder import Decoder, Trained
from adain.nn.encoder import Encoder
from adain.runtime import progress
from adain.runtime.errors import InputError
from tests.helpers.networks import torchvision_state
from tests.helpers.pictures import edged
from tests.helpers.tensors import smooth_tensor

CONTENT = edged()
STYLE = edged((64, 72), "orange", "darkred")


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", device="cpu")


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, in gray levels."""
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def test_alpha_0_is_the_reconstruction(stylizer: Stylizer) -> None:
    with torch.inference_mode():
        features = stylizer.encoder(to_unit(to_tensor(CONTENT))[None])
        reconstruction = to_picture(stylizer.decoder(features)[0, :, :47, :65])
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=0), reconstruction) < 0.01


def test_alpha_1_is_another_picture(stylizer: Stylizer) -> None:
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=1), stylizer.stylize(CONTENT, STYLE, alpha=0)) > 10


def test_the_full_style_is_the_default(stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT, STYLE) == stylizer.stylize(CONTENT, STYLE, alpha=1)


def test_alpha_between_lies_between(stylizer: Stylizer) -> None:
    plain, half, full = (stylizer.stylize(CONTENT, STYLE, alpha=alpha) for alpha in (0, 0.5, 1))
    assert 0 < distance(plain, half) < distance(plain, full)


def test_the_content_is_still_to_be_seen(stylizer: Stylizer) -> None:
    assert distance(stylizer.stylize(CONTENT, STYLE, alpha=0), CONTENT) < distance(STYLE.resize(CONTENT.size), CONTENT)


def test_tiles_show_a_bar_where_one_is_wanted(
    stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0)
    stylizer.stylize(edged((96, 128)), STYLE, tile=64)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(stylizer, "show_progress", True)
    stylizer.stylize(edged((96, 128)), STYLE, tile=64)
    said = {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()}
    assert said == {"reading", "stylizing"}


def test_bfloat16_gives_nearly_the_same_picture() -> None:
    rounded = Stylizer.load("reference", device="cpu", precision="bf16-mixed")
    exact = Stylizer.load("reference", device="cpu")
    assert rounded.encode(torch.rand(1, 3, 64, 64)).dtype == torch.float32
    made, wanted = (one.stylize(CONTENT, STYLE) for one in (rounded, exact))
    assert 0 < distance(made, wanted) < 1.5
    statistics = rounded.encode_style(STYLE)
    torch.testing.assert_close(statistics.mean, exact.encode_style(STYLE).mean, rtol=0.05, atol=0.05)


def test_an_unknown_precision_is_a_users_message() -> None:
    with pytest.raises(InputError, match="precision=fp8 is unknown: choose one of auto, 32-true, bf16-mixed"):
        Stylizer.load("reference", precision="fp8")  # type: ignore[arg-type]


def test_an_encoded_style_gives_the_same_picture(stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT, stylizer.encode_style(STYLE)) == stylizer.stylize(CONTENT, STYLE)


def test_an_encoded_style_is_statistics_alone(stylizer: Stylizer) -> None:
    encoded = stylizer.encode_style(STYLE)
    assert isinstance(encoded, Statistics)
    assert encoded.mean.shape == encoded.std.shape == (1, 512, 1, 1)


def test_another_style_gives_another_picture(stylizer: Stylizer) -> None:
    other = edged((64, 64), "white", "green")
    assert distance(stylizer.stylize(CONTENT, STYLE), stylizer.stylize(CONTENT, other)) > 10


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (65, 47), (64, 64), (71, 72)])
def test_the_output_has_the_contents_size(size: tuple[int, int], stylizer: Stylizer) -> None:
    assert stylizer.stylize(edged(size), STYLE).size == size


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_other_modes_are_taken(mode: str, stylizer: Stylizer) -> None:
    assert stylizer.stylize(CONTENT.convert(mode), STYLE.convert(mode)).mode == "RGB"


@pytest.mark.parametrize("alpha", [-0.1, 1.1, 2, math.nan])
def test_alpha_out_of_range_is_a_users_message(alpha: float, stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match=f"alpha={alpha}"):
        stylizer.stylize(CONTENT, STYLE, alpha)


@pytest.mark.parametrize("size", [(1, 1), (15, 64), (64, 15)])
def test_a_tiny_content_is_a_users_message(size: tuple[int, int], stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match=f"content picture is {size[0]} x {size[1]}.*16 x 16"):
        stylizer.stylize(Image.new("RGB", size), STYLE)


def test_a_tiny_style_is_a_users_message(stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match="style picture is 8 x 8"):
        stylizer.encode_style(Image.new("RGB", (8, 8)))


def test_a_decoder_that_is_not_there_is_a_users_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.ckpt"):
        Stylizer.load(tmp_path / "missing.ckpt")


# --- kinds ----------------------------------------------------------------------------------------------------------


def test_every_kind_comes_back_as_it_came_with_the_same_picture(stylizer: Stylizer) -> None:
    wanted = np.asarray(stylizer.stylize(CONTENT, STYLE))
    array, style = np.asarray(CONTENT), np.asarray(STYLE)
    as_bytes = stylizer.stylize(array, style)
    assert (as_bytes.dtype, as_bytes.shape) == (np.uint8, array.shape)
    np.testing.assert_allclose(as_bytes.astype(int), wanted, atol=1)
    stacked = stylizer.stylize(np.stack([array, array[::-1]]), style)
    assert (stacked.dtype, stacked.shape) == (np.uint8, (2, *array.shape))
    np.testing.assert_allclose(stacked[0].astype(int), wanted, atol=1)
    as_doubles = stylizer.stylize(array / 255, style / 255)
    assert as_doubles.dtype == np.float64
    np.testing.assert_allclose(as_doubles * 255, wanted, atol=0.6)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    as_tensor = stylizer.stylize(tensor, STYLE)
    assert as_tensor.dtype == torch.uint8
    np.testing.assert_allclose(as_tensor.permute(1, 2, 0).int(), wanted, atol=1)
    half = stylizer.stylize(to_unit(tensor).half()[None], STYLE)
    assert (half.dtype, half.shape) == (torch.float16, (1, 3, 47, 65))
    listed = stylizer.stylize([CONTENT, array], STYLE)
    assert isinstance(listed[0], Image.Image)
    np.testing.assert_allclose(listed[1].astype(int), wanted, atol=1)


def test_a_batch_takes_one_style_or_one_each(stylizer: Stylizer) -> None:
    contents = torch.rand(2, 3, 33, 40)
    styles = torch.rand(2, 3, 32, 32) * torch.tensor([0.3, 1.0]).view(2, 1, 1, 1)
    each = stylizer.stylize(contents, styles)
    for index in range(2):
        torch.testing.assert_close(each[index], stylizer.stylize(contents[index], styles[index]), rtol=0, atol=1e-4)
    torch.testing.assert_close(
        stylizer.stylize(contents, styles[1])[0], stylizer.stylize(contents[0], styles[1]), rtol=0, atol=1e-4
    )
    tiled = stylizer.stylize(contents, styles, tile=64)
    torch.testing.assert_close(tiled, each, rtol=0, atol=1e-3)


def test_the_input_is_not_changed_and_the_output_may_be(stylizer: Stylizer) -> None:
    content = torch.rand(3, 32, 32)
    before = content.clone()
    stylizer.stylize(content, STYLE).mul_(2)
    assert torch.equal(content, before)


def test_transparency_and_orientation_of_a_picture_are_kept(stylizer: Stylizer) -> None:
    content = CONTENT.convert("RGBA")
    veil = Image.linear_gradient("L").resize(content.size)
    content.putalpha(veil)
    made = stylizer.stylize(content, STYLE)
    assert made.mode == "RGBA"
    assert made.getchannel("A").tobytes() == veil.tobytes()
    turned = CONTENT.copy()
    turned.getexif()[0x0112] = 6
    assert stylizer.stylize(turned, STYLE).size == (47, 65)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((32, 32)), "the content array is 32 x 32: give H x W x 3"),
        (np.zeros((32, 32, 4), np.uint8), "the content array is 32 x 32 x 4"),
        (np.zeros((32, 32, 3), np.int64), "int64: give uint8, or floats"),
        (np.full((32, 32, 3), 200.0), "values from 200 to 200: floats must be in"),
        (torch.full((3, 32, 32), math.nan), "values from nan to nan"),
        (torch.rand(32, 32, 3), "the content tensor is 32 x 32 x 3: give 3 x H x W"),
        (torch.rand(0, 3, 32, 32), "is an empty batch"),
        (torch.rand(3, 8, 32), "content picture is 32 x 8"),
        ("photo.jpg", "the content is a str: give a Pillow picture"),
    ],
)
def test_what_is_no_picture_is_a_users_message(content: object, said: str, stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match=said):
        stylizer.stylize(content, STYLE)  # type: ignore[call-overload]


# --- several styles, masks, colors ---------------------------------------------------------------------------------

OTHER = edged((50, 60), "white", "green")


def test_a_mix_lies_between_and_its_ends_are_the_styles(stylizer: Stylizer) -> None:
    one, other = (stylizer.stylize(CONTENT, style) for style in (STYLE, OTHER))
    half = stylizer.stylize(CONTENT, styles=[STYLE, OTHER])
    assert distance(stylizer.stylize(CONTENT, styles=[STYLE, OTHER], weights=[3, 0]), one) < 0.01
    assert 0 < distance(half, one) < distance(one, other)
    assert (
        distance(stylizer.stylize(CONTENT, styles=stylizer.encode_style([STYLE, OTHER]), weights=[2, 2]), half) < 0.01
    )


def test_where_no_mask_is_the_contents_pixels_stay(stylizer: Stylizer) -> None:
    mask = np.zeros((47, 65))
    mask[:, :30] = 1
    made = np.asarray(stylizer.stylize(CONTENT, styles=[STYLE], masks=[mask]))
    np.testing.assert_array_equal(made[:, 30:], np.asarray(CONTENT)[:, 30:])
    assert np.abs(made[:, :30].astype(float) - np.asarray(CONTENT)[:, :30]).mean() > 10


def test_where_masks_overlap_styles_are_mixed_by_their_weights(stylizer: Stylizer) -> None:
    """Masks that are white everywhere are no masks; of a gray one the share is smaller."""
    white, gray = np.ones((47, 65)), np.full((47, 65), 0.5)
    styles = stylizer.encode_style([STYLE, OTHER])
    mixed = stylizer.stylize(CONTENT, styles=styles, weights=[3, 1])
    assert distance(stylizer.stylize(CONTENT, styles=styles, weights=[3, 1], masks=[white, white]), mixed) < 0.1
    assert distance(stylizer.stylize(CONTENT, styles=styles, weights=[3, 2], masks=[white, gray]), mixed) < 0.1
    assert distance(stylizer.stylize(CONTENT, styles=styles), mixed) > 1


def test_masks_give_each_style_its_region(stylizer: Stylizer) -> None:
    content = edged((160, 64), "gray", "white")
    left = np.zeros((64, 160), bool)
    left[:, :80] = True
    made, one, other = (
        np.asarray(picture).astype(float)
        for picture in (
            stylizer.stylize(content, styles=[STYLE, OTHER], masks=[left, ~left]),
            stylizer.stylize(content, STYLE),
            stylizer.stylize(content, OTHER),
        )
    )
    for part, own, foreign in ((np.s_[:, :40], one, other), (np.s_[:, 120:], other, one)):
        assert np.abs(made[part] - own[part]).mean() < 0.6 * np.abs(made[part] - foreign[part]).mean()


def test_a_mask_of_another_size_and_kind_is_taken() -> None:
    mask = Image.linear_gradient("L").resize((65, 48))
    wanted = np.asarray(mask)[:47] / 255
    small = mask.crop((0, 0, 65, 47)).resize((40, 90))
    veil = Image.new("RGBA", small.size, "white")
    veil.putalpha(small)  # brushed on a transparent page
    array = np.asarray(small)
    for other in (small, small.convert("RGB"), veil, array, array / 255, torch.tensor(array)[None]):
        made = unit(to_mask(other, (47, 65), 1))
        assert made.shape == (1, 1, 47, 65)
        assert np.abs(made[0, 0].numpy() - wanted).max() < 0.03


def test_luminance_keeps_hues_and_changes_brightness(stylizer: Stylizer) -> None:
    made = np.asarray(stylizer.stylize(CONTENT, STYLE, preserve_color="luminance")).astype(float)
    full = np.asarray(stylizer.stylize(CONTENT, STYLE)).astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(made @ luma - full @ luma).mean() < 1
    blue = np.asarray(CONTENT)[..., 2] > 120  # navy ground: no stroke has so much blue beside so little red
    ground = blue & (np.asarray(CONTENT)[..., 0] == 0)
    assert (made[ground][:, 2] >= made[ground][:, 0]).all()


def test_coral_brings_the_contents_colors(stylizer: Stylizer) -> None:
    content = np.asarray(CONTENT).reshape(-1, 3).mean(0)
    plain, kept = (
        np.asarray(stylizer.stylize(CONTENT, STYLE, preserve_color=word)).reshape(-1, 3).mean(0)  # type: ignore[arg-type]
        for word in ("none", "coral")
    )
    assert np.abs(kept - content).sum() < 0.5 * np.abs(plain - content).sum()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either style, or styles"),
        ({"style": STYLE, "styles": [STYLE]}, "give either style, or styles"),
        ({"style": [STYLE]}, "style is a list: give styles"),
        ({"styles": []}, "styles is empty"),
        ({"styles": [STYLE, OTHER], "weights": [1]}, "weights: 1 given, styles: 2"),
        ({"styles": [STYLE, OTHER], "weights": [0, 0]}, "not all of them 0"),
        ({"styles": [STYLE, OTHER], "weights": [2, -1]}, "at least 0"),
        ({"styles": [STYLE, OTHER], "masks": [CONTENT]}, "masks: 1 given, styles: 2"),
        ({"style": STYLE, "masks": [Image.new("L", (9, 9))]}, "mask 1 covers nothing"),
        ({"style": STYLE, "masks": [np.full((4, 4), 2.0)]}, "mask 1 has values from 2 to 2"),
        ({"style": STYLE, "masks": [np.zeros((4, 4, 3))]}, "mask 1 is 4 x 4 x 3: give H x W"),
        ({"style": STYLE, "preserve_color": "hue"}, "preserve_color=hue is unknown: choose none, coral, luminance"),
        ({"style": STYLE, "tile": 7}, "tile=7 cannot be used"),
        ({"style": torch.rand(3, 3, 32, 32)}, "3 styles are given for 1 contents"),
        ({"style": STYLE, "alpha": 2}, "which extrapolate allows"),
    ],
)
def test_a_wrong_request_is_a_users_message(options: dict[str, object], said: str, stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match=said):
        stylizer.stylize(CONTENT, **options)  # type: ignore[call-overload]


def test_coral_needs_the_style_picture(stylizer: Stylizer) -> None:
    with pytest.raises(InputError, match="encoded styles have no more"):
        stylizer.stylize(CONTENT, stylizer.encode_style(STYLE), preserve_color="coral")


def test_alpha_beyond_1_on_request(stylizer: Stylizer) -> None:
    plain, full, more = (stylizer.stylize(CONTENT, STYLE, alpha, extrapolate=True) for alpha in (0, 1, 1.5))
    assert distance(plain, more) > distance(plain, full)


def test_a_device_that_is_not_there_is_a_users_message() -> None:
    with pytest.raises(InputError, match="device=cuda:99"):
        Stylizer.load(device="cuda:99")


# --- tiles ----------------------------------------------------------------------------------------------------------


def painting(height: int, width: int, seed: int = 3) -> torch.Tensor:
    """Smooth shapes and noise: a seam anywhere would show."""
    smooth = smooth_tensor(seed, height, width)
    return (smooth + 0.1 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


EVERYTHING = {"weights": [1, 2], "preserve_color": "coral", "alpha": 0.8}


@pytest.mark.parametrize(
    ("size", "options", "store"),
    [
        ((139, 107), {}, True),
        ((139, 107), {}, False),
        ((101, 139), EVERYTHING, False),
        ((137, 97), EVERYTHING | {"preserve_color": "luminance"}, True),
    ],
)
def test_tiles_give_the_same_picture(
    size: tuple[int, int], options: dict[str, object], store: bool, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seams, statistics of a tile in place of the whole, a cut at a place that is not a multiple of 8: all fail here."""
    if not store:
        monkeypatch.setattr("adain.inference.stylizer._STORE_BYTES", 0)
    content = painting(*size)
    more: dict[str, object] = {"style": painting(64, 64, 5)}
    if options:
        left = torch.linspace(1.5, -0.5, size[1]).clamp(0, 1).expand(*size).clone()
        left[:20] = 0
        more = {"styles": [painting(64, 64, 5), painting(80, 64, 6)], "masks": [left, 1 - left]}
    at_once = stylizer.stylize(content, tile=None, **more, **options)  # type: ignore[call-overload]
    tiled = stylizer.stylize(content, tile=64, **more, **options)  # type: ignore[call-overload]
    assert (at_once - tiled).abs().max() < 1e-4
    assert at_once.std() > 0.05


def test_tiles_come_by_themselves_where_memory_is_short(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    encode = stylizer.encode
    monkeypatch.setattr(stylizer, "encode", lambda part: (sizes.append(part[0, 0].numel()), encode(part))[1])
    content, style = painting(160, 240), stylizer.encode_style(painting(32, 32))
    sizes.clear()
    at_once = stylizer.stylize(content, style)
    assert sizes == [160 * 240]
    monkeypatch.setattr("adain.inference.stylizer.available_memory", lambda device: 60_000_000)
    sizes.clear()
    tiled = stylizer.stylize(content, style)
    assert max(sizes) < 160 * 240
    assert (at_once - tiled).abs().max() < 1e-4
    sizes.clear()
    stylizer.encode_style(content)
    assert max(sizes) < 160 * 240


def test_an_encoder_that_rounds_down_gives_pictures_of_the_contents_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's pooling drops odd rows: the content is padded before."""
    encoder = Encoder.from_state("vgg19_torchvision", torchvision_state())
    monkeypatch.setattr(Encoder, "load", lambda name, path: encoder)
    torch.manual_seed(0)
    other = Stylizer(Trained(Decoder([4, 6, 8]), "vgg19_torchvision"), device="cpu")
    content = painting(101, 135)
    at_once = other.stylize(content, painting(32, 41), tile=None)
    assert at_once.shape == content.shape
    assert (other.stylize(content, painting(32, 41), tile=64) - at_once).abs().max() < 1e-4


def test_the_networks_are_left_unchanged(stylizer: Stylizer) -> None:
    before = [parameter.clone() for parameter in stylizer.decoder.parameters()]
    stylizer.stylize(CONTENT, STYLE)
    assert all(torch.equal(a, b) for a, b in zip(before, stylizer.decoder.parameters(), strict=True))
