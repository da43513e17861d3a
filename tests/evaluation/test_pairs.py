"""Which pairs come of folders and files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from adain.evaluation.pairs import Pair, cross, named, read_pairs, sample, with_outputs
from adain.runtime.errors import InputError


def shown(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.content, pair.style) for pair in pairs]


def test_crossed_and_zipped(folders: Path) -> None:
    contents, styles = named(str(folders / "content")), named(str(folders / "style"))
    crossed = cross(contents, styles, "all")
    assert shown(crossed)[:4] == [
        ("c0.png", "s0.png"),
        ("c1.png", "s0.png"),
        ("c2.png", "s0.png"),
        ("c0.png", "s1.png"),
    ]
    assert len(crossed) == 6
    assert shown(cross(contents[:2], styles, "zip")) == [("c0.png", "s0.png"), ("c1.png", "s1.png")]
    with pytest.raises(InputError, match="there are 3 and 2"):
        cross(contents, styles, "zip")
    assert sample(crossed, 3, 1) == sample(crossed, 3, 1)
    assert len({tuple(sample(crossed, 3, seed)) for seed in range(8)}) > 4
    assert len(set(sample(crossed, 4, 1))) == 4


def test_a_csv_and_a_list(folders: Path, tmp_path: Path) -> None:
    table = folders / "pairs.csv"
    table.write_text("style,content\nstyle/s1.png,content/c0.png\n")
    assert shown(read_pairs(table, "auto")) == [("content/c0.png", "style/s1.png")]
    table.write_text("content,style,output\ncontent/c0.png,style/s1.png,content/c2.png\n")
    assert [pair[2:] for pair in read_pairs(table, "auto")] == [
        (folders / "content" / "c0.png", folders / "style" / "s1.png", folders / "content" / "c2.png")
    ]
    listed = folders / "list.txt"
    listed.write_text("content/c2.png\ncontent/c0.png\n\nstyle/s0.png\nstyle/s1.png\n")
    assert shown(read_pairs(listed, "auto")) == [("content/c2.png", "style/s0.png"), ("content/c0.png", "style/s1.png")]
    assert len(read_pairs(listed, "all")) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("content,style\n", "no rows"),
        ("content,style\ncontent/c0.png,\n", "row 2"),
        ("content,style\ncontent/c9.png,style/s0.png\n", "not there: .*c9.png"),
        ("content/c0.png\nelsewhere/x.png\n", "neither content/ nor style/"),
        ("content/c0.png\ncontent/c1.png\nstyle/s0.png\n", "there are 2 and 1"),
    ],
)
def test_refused(folders: Path, text: str, message: str) -> None:
    path = folders / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(path, "auto")


def test_names_in_a_list_need_not_be_utf_8(tmp_path: Path) -> None:
    for name in ("caf\udce9.png", "s.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    (tmp_path / "pairs.csv").write_bytes(b"content,style\ncaf\xe9.png,s.png\n")
    (pair,) = read_pairs(tmp_path / "pairs.csv", "auto")
    assert pair.content_path == tmp_path / "caf\udce9.png"


def test_outputs_by_name(folders: Path, tmp_path: Path) -> None:
    pairs = cross(named(str(folders / "content")), named(str(folders / "style")), "all")[:2]
    picture = Image.new("RGB", (64, 48))
    picture.save(tmp_path / "c0_s0.jpg")
    with pytest.raises(InputError, match=r"lacks 1 of 2 outputs: c1_s0\.png"):
        with_outputs(pairs, tmp_path)
    picture.save(tmp_path / "c1_s0.png")
    assert [pair.output_path for pair in with_outputs(pairs, tmp_path)] == [
        tmp_path / "c0_s0.jpg", tmp_path / "c1_s0.png",
    ]  # fmt: skip
    picture.save(tmp_path / "c1_s0.jpg")
    with pytest.raises(InputError, match="leave one"):
        with_outputs(pairs, tmp_path)
    (tmp_path / "c1_s0.jpg").unlink()
    with pytest.raises(InputError, match="share the output name"):
        with_outputs([pairs[0], pairs[0]], tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        named(str(tmp_path))
