"""Which picture is made, in which style, under which name, by which shard."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import pytest

from adain.inference.dataset.plan import Job, Plan, list_styles, substitutes
from adain.runtime.errors import UserError
from adain.runtime.files import folded, ignores_case


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


NAMES = [f"{label}/{i:03d}.jpg" for label in ("cats", "dogs", "a b=ü/deep") for i in range(60)]


def jobs(root: Path, **settings: object) -> list[Job]:
    return list(Plan(root, 50, **settings).jobs())  # type: ignore[arg-type]


def test_folders_and_names_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, *NAMES)
    assert sorted(job.output for job in jobs(tmp_path)) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "kind", "output"),
    [
        ("x/a.jpeg", "keep", "x/a.jpeg"),
        ("x/A.JPG", "keep", "x/A.JPG"),
        ("a.webp", "keep", "a.webp"),
        ("a.b.gif", "keep", "a.b.png"),
        ("a.tif", "keep", "a.png"),
        ("a.b.jpg", "png", "a.b.png"),
        ("a.png", "jpg", "a.jpg"),
        ("a.png", "webp", "a.webp"),
    ],
)
def test_the_ending_is_that_of_the_format(name: str, kind: str, output: str, tmp_path: Path) -> None:
    touch(tmp_path, name)
    assert [job.output for job in jobs(tmp_path, format=kind)] == [output]


def test_what_is_hidden_or_no_picture_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", ".b.jpg", ".git/c.jpg", "d.txt", "e")
    assert [job.content for job in jobs(tmp_path)] == ["a.jpg"]


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_shards_are_disjoint_together_complete_and_even(shards: int, tmp_path: Path) -> None:
    touch(tmp_path, *NAMES)
    parts = [jobs(tmp_path, shards=shards, shard=i) for i in range(shards)]
    assert sorted(job for part in parts for job in part) == sorted(jobs(tmp_path))
    assert all(len(part) > len(NAMES) / shards / 2 for part in parts)
    assert [Plan(tmp_path, 50, shards=shards, shard=i).survey() for i in range(shards)] == [
        (len(NAMES), len(part)) for part in parts
    ]


def test_a_style_depends_on_seed_and_name_alone(tmp_path: Path) -> None:
    few = jobs(touch(tmp_path / "few", *NAMES[:5]))
    many = {job.content: job for job in jobs(touch(tmp_path / "elsewhere", *NAMES))}
    assert all(many[job.content] == job for job in few)
    assert [job.style for job in jobs(tmp_path / "few", seed=1)] != [job.style for job in few]


def test_styles_are_drawn_evenly(tmp_path: Path) -> None:
    touch(tmp_path, *NAMES)
    drawn = Counter(style for seed in range(20) for style in (job.style for job in jobs(tmp_path, seed=seed)))
    expected = 20 * len(NAMES) / 50
    assert set(drawn) == set(range(50))
    assert sum((count - expected) ** 2 / expected for count in drawn.values()) < 100  # chi squared, 49 degrees


def test_several_styles_are_different_ones(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jpg", "x/a_1.jpg", "b.png")
    made = list(Plan(tmp_path, 3, styles_per_picture=3).jobs())
    assert [job.output for job in made if job.content == "x/a.jpg"] == ["x/a_1.jpg", "x/a_2.jpg", "x/a_3.jpg"]
    assert len({job.output for job in made}) == 9
    for content in ("x/a.jpg", "b.png"):
        assert {job.style for job in made if job.content == content} == {0, 1, 2}


@pytest.mark.parametrize("stem", ["x" * 250, "字" * 83])
def test_a_name_that_would_be_too_long_is_cut(stem: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{stem}.jpg", f"{stem[:-1]}y.jpg", "short.jpg")
    for settings in ({"styles_per_picture": 3}, {"format": "webp"}):
        outputs = [job.output for job in jobs(tmp_path, **settings)]
        assert len(set(outputs)) == len(outputs)
        assert all(len(os.fsencode(output)) <= 255 for output in outputs)
        assert outputs == [job.output for job in jobs(tmp_path, **settings)]
        assert Plan(tmp_path, 50, **settings).survey() == (3, len(outputs))  # type: ignore[arg-type]


@pytest.mark.parametrize(("names", "kind"), [(("x/a.jpg", "x/a.png"), "png"), (("a.gif", "a.png"), "keep")])
def test_names_that_would_collide_are_told_at_once(names: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=rf"{names[0]} and {names[1]} would both become .*a\.png: rename"):
        Plan(tmp_path, 5, format=kind, shard=0, shards=1000).survey()


def test_the_same_name_with_other_endings_is_kept(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "x/a.png")
    assert Plan(tmp_path, 5).survey() == (3, 3)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("x/A.jpg", "x/a.jpg"), "x/A.jpg and x/a.jpg would both become x/a.jpg: rename one of them"),
        (("X/a.jpg", "x/a.jpg"), "X/ and x/ would become one folder, because out=.* ignores case: rename one"),
    ],
)
def test_names_that_differ_in_case_are_told_where_the_results_would_be_one(
    names: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ignores_case(tmp_path):
        pytest.skip("there cannot be two such names here")
    touch(tmp_path / "in", *names)
    assert Plan(tmp_path / "in", 5, out=tmp_path / "new" / "out").survey() == (2, 2)

    def exists(path: Path) -> bool:
        return path.parent.is_dir() and folded(path.name) in map(folded, os.listdir(path.parent))

    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(UserError, match=said):
        Plan(tmp_path / "in", 5, out=tmp_path / "new" / "out").survey()
    assert sorted(os.listdir(tmp_path)) == ["in"], "the probe is gone"


@pytest.mark.parametrize("target", [".", "out", "out/deep"])
def test_a_link_to_the_results_is_not_followed(target: str, tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "out/a.jpg", "out/deep/b.jpg")
    (tmp_path / "in" / "more").symlink_to(tmp_path / target)
    plan = Plan(tmp_path / "in", 5, out=tmp_path / "out")
    assert [job.content for job in plan.jobs()] == ["a.jpg"]
    assert plan.survey() == (1, 1)
    assert list_styles(tmp_path / "in", tmp_path / "out")[0] == ["a.jpg"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "real/a.jpg")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert [job.content for job in jobs(tmp_path)] == ["real/a.jpg"]


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "a\udcff.jpg").write_bytes(b"")
    assert [job.output for job in jobs(tmp_path)] == ["a\udcff.jpg"]


def test_styles_are_listed_in_order_and_known_again(tmp_path: Path) -> None:
    names, digest = list_styles(touch(tmp_path / "one", "b.jpg", "x/a.png"))
    assert names == ["b.jpg", "x/a.png"]
    assert list_styles(touch(tmp_path / "two", "b.jpg", "x/a.png")) == (names, digest)
    (tmp_path / "two" / "b.jpg").write_bytes(b"another")
    assert list_styles(tmp_path / "two")[1] != digest
    assert list_styles(touch(tmp_path / "one", "c.jpg"))[1] != digest


def test_no_style_is_a_users_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no picture"):
        list_styles(touch(tmp_path, "a.txt"))


def test_substitutes_begin_with_the_style_and_do_not_change() -> None:
    names = [f"{i}.jpg" for i in range(20)]
    drawn = list(substitutes(7, names, 30))
    assert drawn[0] == 7
    assert len(drawn) == 30
    assert len(set(drawn)) > 8
    assert drawn == list(substitutes(7, names, 30))
    others = {next(itertools.islice(substitutes(style, names, 2), 1, None)) - style for style in range(20)}
    assert len(others) > 8  # no fixed neighbor, which may be of the same broken download
