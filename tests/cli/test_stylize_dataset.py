"""``make stylize-dataset``: a whole data set where it was asked for, or one sentence before any work."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from adain.data.picture import read_picture
from adain.inference.stylizer import Stylizer
from tests.helpers.pictures import deny, draw
from tests.helpers.runners import command, run_here
from tests.helpers.stylize import reference


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the command runs in, with a few pictures; the networks are read once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    monkeypatch.setattr(Stylizer, "load", lambda decoder, device=None, precision="32-true": reference())
    for i in range(4):
        draw(tmp_path / "in put = ü" / ("cats" if i % 2 else "dogs") / f"{i}.png", i, (20, 17))
    for i in range(3):
        draw(tmp_path / "styles" / f"{i}.jpg", 10 + i, (20, 17))
    return tmp_path


GIVEN = ("content=in put = ü", "style=styles", "decoder=reference", "workers=0")


def call(*arguments: str) -> list[str]:
    """The lines that it prints."""
    code, out, err = run_here("stylize_dataset", Path.cwd(), *arguments)
    assert code == 0, err
    return out.splitlines()


def failed(*arguments: str) -> str:
    code, _, err = run_here("stylize_dataset", Path.cwd(), *arguments)
    assert code == 1
    return err.splitlines()[-1]


def test_a_user_gets_the_data_set_and_is_told_where(folder: Path) -> None:
    lines = call(*GIVEN, "out=out = 1")
    out = folder / "out = 1"
    made = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert made == ["cats/1.png", "cats/3.png", "dogs/0.png", "dogs/2.png"]
    rows = [json.loads(line) for line in (out / "manifest-00000-of-00001.jsonl").read_text().splitlines()]
    assert {row["output"] for row in rows} == set(made)
    assert {row["alpha"] for row in rows} == {1.0}
    assert rows[0]["decoder"] == json.loads((out / "settings.json").read_text())["decoder"]["sha256"][:16]
    assert lines[1].startswith("made          4 pictures  (")
    assert lines[-1] == "next          head -n 3 'out = 1/manifest-00000-of-00001.jsonl'   (what came from what)"


def test_the_same_command_again_has_nothing_to_do() -> None:
    call(*GIVEN, "out=out")
    assert call(*GIVEN, "out=out")[1] == "made          0 pictures, 4 were there already"


def test_what_cannot_be_read_is_listed_and_ends_with_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "in put = ü" / "dogs" / "4.png").write_bytes(b"no picture")
    deny(monkeypatch, "cats")
    said = failed(*GIVEN, "out=out")
    assert said.startswith("error: 2 contents cannot be read and were skipped, listed in out/unreadable-")
    lines = (folder / "out" / "unreadable-00000-of-00001.jsonl").read_text().splitlines()
    assert {json.loads(line)["name"]: json.loads(line)["reason"] for line in lines} == {
        "cats": "it may not be read: check its permissions",
        "dogs/4.png": "empty or not a picture",
    }
    assert len(list((folder / "out").rglob("*.png"))) == 2


def test_the_next_shard_is_what_to_type() -> None:
    assert call(*GIVEN, "out=out", "shards=2", "shard=0")[-1] == (
        "next          make stylize-dataset 'content=in put = ü' style=styles decoder=reference workers=0 out=out "
        "shards=2 shard=1"
    )


def test_sizes_formats_and_copies(folder: Path) -> None:
    call(*GIVEN, "out=out", "size=24", "crop=18", "format=jpg", "styles_per_picture=2", "alpha=0.5")
    made = sorted((folder / "out").rglob("*.jpg"))
    assert [p.name for p in made] == [
        "1_1.jpg",
        "1_2.jpg",
        "3_1.jpg",
        "3_2.jpg",
        *["0_1.jpg", "0_2.jpg", "2_1.jpg", "2_2.jpg"],
    ]
    assert {Image.open(path).size for path in made} == {(18, 18)}


def test_alpha_and_quality_are_those_of_the_pictures(folder: Path) -> None:
    call(*GIVEN, "out=out", "format=jpg", "alpha=0.3", "quality=40")
    (line, *_) = (folder / "out" / "manifest-00000-of-00001.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row["alpha"] == 0.3
    content, style = (
        read_picture(folder / "in put = ü" / row["content"]),
        read_picture(folder / "styles" / row["style"]),
    )
    expected = io.BytesIO()
    reference().stylize(content, style, 0.3).save(expected, "JPEG", quality=40)
    assert (folder / "out" / row["output"]).read_bytes() == expected.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("out=in put = ü",), "is the content folder"),
        (("out=in put = ü/out",), "lies inside the content folder"),
        (("out=.",), "lies around the content folder"),
        (("out=styles/new",), "lies inside the style folder"),
        (("out=in put = ü/dogs/0.png/x",), "lies inside the content folder"),
        (("out=null",), "out=null"),
        (("out=out", "style=empty"), "style=empty holds no picture"),
        (("out=out", "content=empty"), "content=empty holds no picture"),
        (("out=out", "content=missing"), "content=missing is not a folder"),
        (("out=out", "shards=0"), "shards=0"),
        (("out=out", "shards=2", "shard=2"), "shards=2 has 0 to 1"),
        (("out=out", "shard=-1"), "shard=-1"),
        (("out=out", "shards=two"), "shards=two is of the wrong type"),
        (("out=out", "seed=-1"), "seed=-1"),
        (("out=out", "alpha=2"), "alpha=2"),
        (("out=out", "size=8"), "size=8 .* at least 16"),
        (("out=out", "size=big"), "size=big"),
        (("out=out", "crop=32"), "crop=32 needs"),
        (("out=out", "size=24", "crop=32"), "crop=32 needs"),
        (("out=out", "format=gif"), "format=gif"),
        (("out=out", "quality=0"), "quality=0"),
        (("out=out", "engine=spark"), "engine=spark"),
        (("out=out", "styles_per_picture=4"), "more than the 3 pictures"),
        (("out=out", "workers=-1"), "workers=-1"),
        (("out=out", "ray.actors=0"), "ray.actors=0"),
        (("out=out", "shrads=2"), "shards"),
        (("out=notes.txt",), "is a file"),
        (("out=full",), "holds notes.txt"),
    ],
)
def test_mistakes_are_told_before_any_work(arguments: tuple[str, ...], message: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("")
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("")
    before = sorted(folder.rglob("*"))
    said = failed(*GIVEN, *arguments)
    assert said.startswith("error: ")
    assert re.search(message, said), said
    after = [p for p in sorted(folder.rglob("*")) if p not in before and "logs" not in p.parts]
    assert [p for p in after if p.name[0] != "."] == []


def test_names_that_collide_are_told_before_any_work(folder: Path) -> None:
    draw(folder / "in put = ü" / "dogs" / "0.jpg", 5, (20, 17))
    said = failed(*GIVEN, "out=out", "format=png")
    assert "dogs/0.jpg and dogs/0.png would both become dogs/0.png" in said
    assert not (folder / "out").exists()


def test_changed_settings_are_refused_and_nothing_is_touched(folder: Path) -> None:
    import torch

    call(*GIVEN, "out=out")
    state = reference().decoder.state_dict()
    torch.save({**state, "conv1_1.bias": state["conv1_1.bias"] + 1}, folder / "other.pth")
    draw(folder / "others" / "0.jpg", 50, (20, 17))
    before = {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*") if p.is_file() and p.suffix != ".lock"}
    for change in ("seed=1", "alpha=0.5", "size=32", "shards=2", "style=others", "decoder=other.pth"):
        said = failed(*GIVEN, "out=out", change)
        assert f"{change.partition('=')[0]} is " in said
        assert "begun with" in said
        assert {p: p.stat().st_mtime_ns for p in before} == before, change


def test_nothing_readable_is_an_error(folder: Path) -> None:
    for path in (folder / "in put = ü").rglob("*.png"):
        path.write_bytes(b"broken")
    assert "4 contents cannot be read" in failed(*GIVEN, "out=out")


@pytest.mark.slow  # in a process of its own; the others run it in this one
def test_the_command_as_a_user_runs_it(folder: Path) -> None:
    done = command("stylize_dataset", *GIVEN[:3], "out=out", "workers=1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "out").rglob("*.png"))) == 4
