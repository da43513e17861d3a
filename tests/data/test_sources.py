from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from adain.data.picture import PictureError
from adain.data.sources import FolderSource, IndexedSource, Place, Sample
from adain.runtime.errors import InputError
from tests.helpers.pictures import deny

Folder = Callable[..., Path]


def take(source: IndexedSource, count: int, seed: int = 0, **place: int) -> list[Sample]:
    return list(islice(source.open(seed, Place(**place), 16), count))


def names(source: IndexedSource) -> list[str]:
    return [Path(name).name for name in source.names]


def sentence(caught: pytest.ExceptionInfo[InputError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


# place


def test_numbers_of_one_process() -> None:
    assert list(islice(Place(batch_size=2).numbers(), 5)) == [0, 1, 2, 3, 4]


def test_ranks_interleave_within_a_global_batch() -> None:
    ranks = [list(islice(Place(rank=rank, world=2, batch_size=2).numbers(), 4)) for rank in (0, 1)]
    assert ranks == [[0, 1, 4, 5], [2, 3, 6, 7]]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 1, 5])
def test_workers_take_batches_in_turn(workers: int, first: int) -> None:
    streams = [Place(1, 2, worker, workers, batch_size=3, first=first).numbers() for worker in range(workers)]
    dealt = [list(islice(streams[batch % workers], 3)) for batch in range(7)]
    alone = Place(1, 2, batch_size=3).numbers()
    assert dealt == [list(islice(alone, 3)) for _ in range(7 + first)][first:]


# listing


def test_searches_recursively(folder: Folder) -> None:
    root = folder("a", good=1)
    folder("a/b", good=1)
    folder("a/b/c", good=2)
    assert len(FolderSource(str(root))) == 4


def test_several_roots(folder: Folder) -> None:
    roots = [str(folder("a", good=2)), str(folder("b", good=3))]
    assert len(FolderSource(roots)) == 5


def test_what_several_roots_hold_is_taken_once(folder: Folder, tmp_path: Path) -> None:
    root = folder("photos")
    inner = folder("photos/sub", good=1)
    (tmp_path / "link").symlink_to(inner)
    source = FolderSource([str(root), f"{root}/", str(inner), str(inner / "good_00.png"), str(tmp_path / "link")])
    assert source.names == [str(inner / "good_00.png")]
    training, held = source.split(4)
    assert training.names == held.names == source.names, "one picture serves for both"


def test_single_file(folder: Folder) -> None:
    file = folder(good=2) / "good_01.png"
    assert FolderSource(str(file)).names == [str(file)]


def test_home_is_expanded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder("mine", good=2).parent))
    assert len(FolderSource("~/mine")) == 2


def test_hidden_files_and_folders_are_left_out(folder: Folder) -> None:
    root = folder("a", good=1)
    (root / ".hidden.png").write_bytes((root / "good_00.png").read_bytes())
    folder("a/.thumbnails", good=3)
    assert names(FolderSource(str(root))) == ["good_00.png"]


def test_other_files_are_left_out(folder: Folder) -> None:
    root = folder(good=1)
    (root / "notes.txt").write_text("no picture")
    assert names(FolderSource(str(root))) == ["good_00.png"]


def test_endings_in_capitals(folder: Folder) -> None:
    root = folder(good=1)
    (root / "good_00.png").rename(root / "CAMERA.JPEG")
    assert names(FolderSource(str(root))) == ["CAMERA.JPEG"]


def test_order_does_not_depend_on_the_file_system(folder: Folder) -> None:
    root = folder("a")
    for name in ("c.png", "a.png", "b.png"):
        Image.new("RGB", (20, 20)).save(root / name)
    assert names(FolderSource(str(root))) == ["a.png", "b.png", "c.png"]


def test_linked_folder_is_followed(folder: Folder) -> None:
    root = folder("a", good=1)
    (root / "link").symlink_to(folder("b", good=2))
    assert len(FolderSource(str(root))) == 3


def test_link_to_its_own_parent_is_searched_once(folder: Folder) -> None:
    root = folder("a", good=2)
    (root / "loop").symlink_to(root)
    assert names(FolderSource(str(root))) == ["good_00.png", "good_01.png"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as caught:
        FolderSource(str(tmp_path / "none"))
    assert str(tmp_path / "none") in sentence(caught)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture") as caught:
        FolderSource(str(tmp_path))
    assert ".jpg" in sentence(caught)


def test_one_empty_root_of_two(folder: Folder) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        FolderSource([str(folder("a", good=2)), str(folder("b"))])


def test_no_root() -> None:
    with pytest.raises(InputError, match="no picture folder is given"):
        FolderSource([])


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_unreadable_folder(folder: Folder) -> None:
    root = folder(good=1)
    root.chmod(0)
    try:
        with pytest.raises(InputError, match="cannot be read") as caught:
            FolderSource(str(root))
    finally:
        root.chmod(0o755)
    sentence(caught)


def test_folder_the_system_denies(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch, "pictures")
    with pytest.raises(InputError, match="cannot be read") as caught:
        FolderSource(str(folder(good=1)))
    sentence(caught)


# streaming


def test_large_jpeg_is_decoded_small_and_not_resized(tmp_path: Path) -> None:
    Image.new("RGB", (203, 150)).save(tmp_path / "a.jpg")
    assert take(FolderSource(str(tmp_path)), 1)[0].picture.size == (26, 19)  # an eighth; 16 are asked for


def test_small_picture_is_not_enlarged(folder: Folder) -> None:
    assert take(FolderSource(str(folder(good=1))), 1)[0].picture.size == (20, 20)


def test_each_pass_is_another_permutation(folder: Folder) -> None:
    source = FolderSource(str(folder(good=7)))
    seen = [sample.name for sample in take(source, 21)]
    passes = [seen[start : start + 7] for start in (0, 7, 14)]
    assert all(sorted(part) == source.names for part in passes)
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_another_seed_gives_another_order(folder: Folder) -> None:
    source = FolderSource(str(folder(good=9)))
    assert [s.name for s in take(source, 9, seed=1)] != [s.name for s in take(source, 9, seed=2)]


def test_bad_files_are_skipped_and_reported(folder: Folder) -> None:
    samples = take(FolderSource(str(folder(good=3, bad=2))), 5)
    assert all("good" in sample.name for sample in samples)
    lines = [line for sample in samples for line in sample.skipped]
    assert {Path(line.split(": ")[0]).name for line in lines} == {"bad_00.png", "bad_01.png"}
    assert all(line.endswith(": empty or not a picture") for line in lines)


def test_good_files_report_nothing(folder: Folder) -> None:
    assert all(sample.skipped == () for sample in take(FolderSource(str(folder(good=3))), 6))


def test_substitutes_do_not_depend_on_where_the_stream_starts(folder: Folder) -> None:
    source = FolderSource(str(folder(good=4, bad=4)))
    whole = [(sample.name, sample.skipped) for sample in take(source, 30)]
    assert [(sample.name, sample.skipped) for sample in take(source, 20, first=10)] == whole[10:]


def test_too_small_and_too_large_files_are_skipped(folder: Folder) -> None:
    root = folder(good=2)
    Image.new("RGB", (15, 40)).save(root / "small.png")
    Image.new("RGB", (40, 40)).save(root / "large.png")
    samples = take(FolderSource(str(root), max_pixels=1000), 12)
    assert {Path(sample.name).name for sample in samples} == {"good_00.png", "good_01.png"}
    lines = " ".join(line for sample in samples for line in sample.skipped)
    assert "below 16 pixels a side" in lines
    assert "over max_pixels=1000" in lines


def test_only_bad_files(folder: Folder) -> None:
    with pytest.raises(InputError, match="could not be read") as caught:
        take(FolderSource(str(folder(bad=3))), 1)
    assert "bad_0" in sentence(caught)


def test_file_deleted_while_streaming(folder: Folder) -> None:
    source = FolderSource(str(folder(good=4)))
    stream = source.open(0, Place(), 16)
    gone = next(stream).name
    os.remove(gone)
    later = list(islice(stream, 12))
    assert gone not in {sample.name for sample in later}
    assert any(line == f"{gone}: the file does not exist" for sample in later for line in sample.skipped)


# holding out


def test_split_is_disjoint_and_complete(folder: Folder) -> None:
    source = FolderSource(str(folder(good=20)))
    train, held = source.split(3)
    assert len(held) == 3
    assert sorted(train.names + held.names) == source.names


def test_training_never_shows_a_held_out_picture(folder: Folder) -> None:
    train, held = FolderSource(str(folder(good=10, bad=5))).split(2)
    assert not {sample.name for sample in take(train, 60)} & set(held.names)


@pytest.mark.parametrize(("good", "expected"), [(1, (1, 1)), (4, (3, 1)), (9, (8, 1)), (10, (8, 2)), (60, (48, 12))])
def test_at_most_a_fifth_is_held_out(folder: Folder, good: int, expected: tuple[int, int]) -> None:
    train, held = FolderSource(str(folder(good=good))).split(12)
    assert (len(train), len(held)) == expected


def test_single_picture_is_trained_on_and_shown(folder: Folder) -> None:
    train, held = FolderSource(str(folder(good=1))).split(12)
    assert names(train) == names(held) == ["good_00.png"]


def test_two_pictures_are_split(folder: Folder) -> None:
    train, held = FolderSource(str(folder(good=2))).split(12)
    assert not set(train.names) & set(held.names)


def test_added_pictures_move_no_other_into_the_held_out_part(folder: Folder) -> None:
    source = FolderSource(str(folder(good=20)))
    before = set(source.split(4)[1].names)
    after = set(FolderSource(str(folder(good=40))).split(4)[1].names)
    assert after & set(source.names) <= before
    assert after & before


def test_split_does_not_depend_on_where_the_folder_is(folder: Folder) -> None:
    here, there = (FolderSource(str(folder(name, good=20))).split(4)[1] for name in ("here", "there"))
    assert names(here) == names(there)


def test_names_in_another_encoding_can_be_split(folder: Folder) -> None:
    root = folder(good=2)
    try:
        (root / "good_00.png").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    train, held = FolderSource(str(root)).split(1)
    assert len(train) == len(held) == 1


def listed(tmp_path: Path, text: str) -> str:
    path = tmp_path / "held_out.txt"
    path.write_text(text)
    return str(path)


def test_held_out_file(folder: Folder, tmp_path: Path) -> None:
    source = FolderSource(str(folder(good=4)), held_out=listed(tmp_path, "good_02.png\n\n good_00.png \n"))
    train, held = source.split(1)
    assert names(held) == ["good_00.png", "good_02.png"]
    assert names(train) == ["good_01.png", "good_03.png"]


def test_held_out_file_by_the_end_of_a_path(folder: Folder, tmp_path: Path) -> None:
    roots = [str(folder("monet", good=2)), str(folder("manet", good=2))]
    train, held = FolderSource(roots, held_out=listed(tmp_path, "monet/good_01.png\n")).split(1)
    assert held.names == [os.path.join(roots[0], "good_01.png")]
    assert len(train) == 3


def test_held_out_file_by_whole_path(folder: Folder, tmp_path: Path) -> None:
    root = folder(good=3)
    _, held = FolderSource(str(root), held_out=listed(tmp_path, f"{root}/good_01.png\n")).split(1)
    assert held.names == [f"{root}/good_01.png"]


def test_of_several_held_out_files_the_first_validates_and_none_is_trained_on(folder: Folder, tmp_path: Path) -> None:
    choose, report = tmp_path / "choose.txt", tmp_path / "report.txt"
    choose.write_text("good_03.png\n")
    report.write_text("good_00.png\ngood_02.png\n")
    train, held = FolderSource(str(folder(good=4)), held_out=[str(choose), str(report)]).split(1)
    assert names(held) == ["good_03.png"]
    assert names(train) == ["good_01.png"]
    report.write_text("good_00.png\ngood_01.png\ngood_02.png\n")
    with pytest.raises(InputError, match="names all 4 pictures"):
        FolderSource(str(folder(good=4)), held_out=[str(choose), str(report)]).split(1)


def test_missing_held_out_file(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"held_out=.* does not exist") as caught:
        FolderSource(str(folder(good=2)), held_out=str(tmp_path / "none.txt")).split(1)
    sentence(caught)


@pytest.mark.parametrize(("text", "count"), [("other.png", 0), ("good_00.png\ngood_01.png", 2)])
def test_held_out_file_of_none_or_all(folder: Folder, tmp_path: Path, text: str, count: int) -> None:
    with pytest.raises(InputError, match=f"names {count} of the 2 pictures") as caught:
        FolderSource(str(folder(good=2)), held_out=listed(tmp_path, text)).split(1)
    sentence(caught)


def test_parts_keep_the_limits(folder: Folder) -> None:
    root = folder(good=10)
    (root / "large.png").write_bytes((root / "good_00.png").read_bytes())
    Image.new("RGB", (40, 40)).save(root / "large.png")
    source = FolderSource(str(root), max_pixels=500)
    for part in source.split(2):
        assert isinstance(part, FolderSource)
        with pytest.raises(PictureError, match="max_pixels=500"):
            part.read(str(root / "large.png"), 20)


def test_unreadable_pictures_are_not_held_out_but_counted(folder: Folder) -> None:
    good = FolderSource(str(folder("good", good=20))).split(3)[1].names
    root = folder("mixed", good=20)
    broken = root / Path(good[1]).name
    broken.write_bytes(b"no picture")
    training, held = FolderSource(str(root)).split(3)
    assert [Path(n).name for n in held.names][:2] == [Path(good[0]).name, Path(good[2]).name]
    assert len(held) == 3
    assert held.skipped == (f"{broken}: empty or not a picture",)
    assert isinstance(training, FolderSource)
    assert len(training) == 17, "its length does not depend on what is broken"
    assert str(broken) in training.names


def test_a_source_without_a_readable_picture_is_refused(folder: Folder) -> None:
    with pytest.raises(InputError, match="none of 7 pictures could be read"):
        FolderSource(str(folder(bad=7))).split(2)
