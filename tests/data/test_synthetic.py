from __future__ import annotations

import numpy as np
import pytest

from adain.data.synthetic import SyntheticSource

KINDS = pytest.mark.parametrize("kind", ["content", "style"])


@KINDS
@pytest.mark.parametrize("side", [1, 16, 33])
def test_square_rgb(kind: str, side: int) -> None:
    picture = SyntheticSource(kind).read(f"{kind}_0000", side)
    assert picture.size == (side, side)
    assert picture.mode == "RGB"


@KINDS
def test_the_same_name_gives_the_same_picture(kind: str) -> None:
    one, other = (SyntheticSource(kind, count).read(f"{kind}_0003", 32) for count in (4, 9))
    assert np.array_equal(np.asarray(one), np.asarray(other))


@KINDS
def test_another_name_gives_another_picture(kind: str) -> None:
    source = SyntheticSource(kind, 8)
    assert len({source.read(name, 24).tobytes() for name in source.names}) == 8


@KINDS
def test_pictures_are_not_uniform(kind: str) -> None:
    source = SyntheticSource(kind, 8)
    assert all(np.asarray(source.read(name, 32)).std() > 1 for name in source.names)


def test_kinds_differ() -> None:
    shapes, waves = (SyntheticSource(kind).read("same", 32) for kind in ("content", "style"))
    assert shapes.tobytes() != waves.tobytes()


def test_count_and_names() -> None:
    assert SyntheticSource("style", 3).names == ["style_0000", "style_0001", "style_0002"]


def test_subsets_have_the_same_kind() -> None:
    source = SyntheticSource("style", 20)
    train, held = source.split(4)
    assert sorted(train.names + held.names) == source.names
    assert held.read(held.names[0], 16).tobytes() == source.read(held.names[0], 16).tobytes()
