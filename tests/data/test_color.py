"""Colors follow a profile's curves and primaries, or PNG's chunks, whatever the profile is called."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adain.data.pairs import Framing
from adain.data.picture import read_picture
from adain.data.sources import FolderSource
from tests.helpers.pictures import encode, green_first, matrix_profile, png_chunk, with_chunk

_ACROSS, _DOWN = np.meshgrid(np.linspace(60, 255, 64), np.linspace(90, 220, 48))
SRGB = np.stack([_ACROSS, _DOWN, 315 - _ACROSS], -1).round() / 255
LINEAR = np.where(SRGB <= 0.04045, SRGB / 12.92, ((SRGB + 0.055) / 1.055) ** 2.4)
"""By sRGB's formula."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
TO_P3 = np.linalg.inv([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0, 0.0451, 1.0439]]) @ TO_XYZ
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHROMATICITIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))


def off(data: bytes, expected: np.ndarray = SRGB, **options: Any) -> float:
    """The mean difference of what is read, in levels."""
    read = np.asarray(read_picture(io.BytesIO(data), **options).convert("RGB"))
    return float(np.abs(read - expected * 255.0).mean())


@pytest.mark.parametrize("name", ["GIMP built-in Linear sRGB", "sRGB-elle-V2-g10.icc", "anything"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_profiles_curve_counts_and_not_its_name(name: str, gamma: float, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    assert off(encode(picture(LINEAR ** (1 / gamma)), kind, icc_profile=matrix_profile(name, gamma), **options)) < 1


def test_a_profile_that_is_srgb_under_another_name_changes_nothing() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"fooo")
    assert off(encode(picture(SRGB), icc_profile=profile)) < 0.01


def test_the_alpha_of_a_converted_picture_stays() -> None:
    linear = picture(LINEAR)
    linear.putalpha(Image.linear_gradient("L").resize(linear.size))
    data = encode(linear, icc_profile=matrix_profile("linear", 1.0))
    read = read_picture(io.BytesIO(data), keep_alpha=True)
    assert read.getchannel("A").tobytes() == linear.getchannel("A").tobytes()
    assert off(data, keep_alpha=True) < 1


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_gray_follows_its_profile_with_all_its_bits(mode: str) -> None:
    values = LINEAR[..., :1].repeat(3, axis=2)
    gray = picture(values).convert("L")
    if mode == "I;16":
        gray = Image.fromarray((values[..., 0] * 65535).round().astype(np.uint16))
    elif mode == "LA":
        gray.putalpha(255)
    for profile in (matrix_profile("Linear sGray", 1.0, b"GRAY"), *([matrix_profile("RGB", 1.0)] * (mode != "I;16"))):
        data = encode(gray, icc_profile=profile)
        expected = SRGB[..., :1].repeat(3, axis=2)
        assert off(data, expected) < (0.3 if mode == "I;16" else 1)


def chunks(gamma: float | None, primaries: tuple[int, ...] | None = None, srgb: bool = False) -> bytes:
    made = b"" if gamma is None else png_chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    made += b"" if primaries is None else png_chunk(b"cHRM", struct.pack(">8I", *primaries))
    return made + (png_chunk(b"sRGB", b"\0") if srgb else b"")


def test_pngs_gamma_and_primaries_count() -> None:
    assert off(with_chunk(encode(picture(LINEAR)), chunks(1.0))) < 1
    assert off(with_chunk(encode(picture(LINEAR)), chunks(1.0, SRGB_CHROMATICITIES))) < 1
    assert off(with_chunk(encode(picture(LINEAR[..., 0])), chunks(1.0)), SRGB[..., :1].repeat(3, axis=2)) < 1
    p3 = LINEAR @ TO_P3.T
    encoded = np.where(p3 <= 0.0031308, 12.92 * p3, 1.055 * p3.clip(1e-9) ** (1 / 2.4) - 0.055)
    assert off(with_chunk(encode(picture(encoded)), chunks(1 / 2.2, P3_CHROMATICITIES))) < 1


def test_training_crops_are_converted_too(tmp_path: Path) -> None:
    (tmp_path / "gamma.png").write_bytes(with_chunk(encode(picture(LINEAR)), chunks(1.0)))
    picture(LINEAR).save(tmp_path / "profile.png", icc_profile=matrix_profile("sRGB linear", 1.0))
    source = FolderSource(str(tmp_path))
    for name in source.names:
        crop = Framing(48, 48, 0)(source.read(name, 48), np.random.default_rng(0), flip=False)
        assert abs(crop.float().mean().item() - SRGB.mean() * 255) < 8, name


def test_a_palette_follows_pngs_gamma() -> None:
    paletted = Image.new("P", (8, 6), 0)
    paletted.putpalette([round(255 * 0.2122)] * 3)  # sRGB's 0.5 in linear light
    assert abs(read_picture(io.BytesIO(with_chunk(encode(paletted), chunks(1.0)))).getpixel((0, 0))[0] - 127.5) < 2


@pytest.mark.parametrize(
    "chunk",
    [chunks(1 / 2.2), chunks(1 / 2.2, SRGB_CHROMATICITIES), chunks(1.0, srgb=True), chunks(0), chunks(None, (0,) * 8)],
)
def test_chunks_that_mean_srgb_or_nothing_change_nothing(chunk: bytes) -> None:
    assert off(with_chunk(encode(picture(SRGB)), chunk)) < 0.01


def test_a_profile_wins_over_the_chunks() -> None:
    data = encode(Image.new("RGB", (8, 6), (255, 0, 0)), icc_profile=green_first())
    assert read_picture(io.BytesIO(with_chunk(data, chunks(1.0)))).getpixel((0, 0))[1] > 240


@pytest.mark.parametrize(
    "profile", [b"no profile", matrix_profile("cut", 1.0)[:300], matrix_profile("gray", 1.0, b"GRAY")]
)
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes) -> None:
    assert off(encode(picture(SRGB), icc_profile=profile)) < 0.01


# deep grays


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("over", [1.0, 1.0004, 1.05])
def test_floats_a_little_over_the_unit_are_clipped_and_not_darkened(scale: float, over: float) -> None:
    ramp = np.linspace(0, over, 64, dtype=np.float32) * np.float32(scale)
    read = np.asarray(read_picture(io.BytesIO(encode(Image.fromarray(np.tile(ramp, (16, 1))), "TIFF"))))
    assert np.abs(read[0, :, 0] - (ramp / scale).clip(0, 1) * 255).max() <= 0.6


def test_whole_numbers_a_little_over_the_unit_and_values_that_are_none() -> None:
    deep = np.tile(np.array([0, 32768, 65540], np.int32), (4, 1))
    read = read_picture(io.BytesIO(encode(Image.fromarray(deep), "TIFF")))
    assert [read.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]
    odd = np.tile(np.array([0, 0.5, 1, np.nan, np.inf, -np.inf, -3], np.float32), (4, 1))
    read = read_picture(io.BytesIO(encode(Image.fromarray(odd), "TIFF")))
    assert [read.getpixel((x, 0))[0] for x in range(7)] == [0, 128, 255, 0, 255, 0, 0]
