from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any

import pytest
from torch.utils.data import DataLoader

from adain.data import hub
from adain.data.hub import HubSource
from adain.data.pairs import Framing, PairStream, StyleTransferDataModule, collate
from adain.data.sources import Place, Sample
from adain.data.synthetic import SyntheticSource
from adain.runtime.errors import InputError
from tests.helpers.pictures import solid

# not imported here: every worker reads this file, and the package takes seconds
pytestmark = pytest.mark.skipif(find_spec("datasets") is None, reason="needs the extra hub")

Parquet = Callable[..., list[str]]
BAD = {"bytes": b"no picture", "path": "bad.png"}


def source(files: list[str], buffer: int = 4, **options: Any) -> HubSource:
    return HubSource("parquet", data_files=files, buffer=buffer, **options)


def row(sample: Sample) -> int:
    return sample.picture.getpixel((0, 0))[0]


def take(given: HubSource, count: int, seed: int = 0, **place: int) -> list[Sample]:
    return list(islice(given.open(seed, Place(**place), 16), count))


def rows(given: HubSource, count: int, seed: int = 0, **place: int) -> list[int]:
    return [row(sample) for sample in take(given, count, seed, **place)]


def dealt(given: HubSource, count: int, workers: int, first: int = 0, batch_size: int = 2) -> list[list[int]]:
    """Return the batches that a loader with that many workers receives."""
    lanes = [given.open(0, Place(0, 1, worker, workers, batch_size, first), 16) for worker in range(workers)]
    return [[row(sample) for sample in islice(lanes[batch % workers], batch_size)] for batch in range(count)]


def loaded(given: HubSource, count: int, workers: int, first: int = 0) -> list[list[int]]:
    """Return the batches of a real loader."""
    place = Place(batch_size=2, first=first)
    stream = PairStream(given, SyntheticSource("style", 4), Framing(16, 16, 0.0), 0, place)
    loader = DataLoader(stream, 2, num_workers=workers, collate_fn=collate, timeout=10 * (workers > 0))
    return [batch["content"][:, 0, 0, 0].tolist() for batch in islice(loader, count)]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# the order


def test_every_row_appears_once_per_pass(parquet: Parquet) -> None:
    seen = rows(source(parquet(range(12), files=3)), 24)
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))


def test_each_pass_shuffles_the_rows_anew(parquet: Parquet) -> None:
    seen = rows(source(parquet(range(12))), 24)
    assert list(range(12)) != seen[:12] != seen[12:]


def test_seed(parquet: Parquet) -> None:
    given = source(parquet(range(12)))
    assert rows(given, 12, seed=1) == rows(given, 12, seed=1)
    assert rows(given, 12, seed=1) != rows(given, 12, seed=2)


def test_pictures_are_not_altered(parquet: Parquet) -> None:
    assert take(source(parquet(range(2))), 1)[0].picture.size == (20, 20)


def test_names_contain_data_set_pass_and_row(parquet: Parquet) -> None:
    names = [sample.name for sample in take(source(parquet(range(2))), 3)]
    assert names == ["parquet[0:0]", "parquet[0:1]", "parquet[1:0]"]


# ranks and workers


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize(("world", "workers"), [(1, 1), (1, 3), (2, 1), (2, 2)])
def test_ranks_and_workers_share_the_rows(parquet: Parquet, files: int, world: int, workers: int) -> None:
    given = source(parquet(range(12), files=files))
    share = 12 // (world * workers)
    seen = [
        number
        for rank in range(world)
        for worker in range(workers)
        for number in rows(given, share, rank=rank, world=world, worker=worker, workers=workers)
    ]
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize("files", [1, 3])
def test_real_workers_share_the_rows(parquet: Parquet, files: int) -> None:
    given = source(parquet(range(12), files=files))
    seen = loaded(given, 6, workers=2)
    assert sorted(number for batch in seen for number in batch) == list(range(12))


@pytest.mark.parametrize("files", [1, 3])
def test_resumes_exactly_with_real_workers(parquet: Parquet, files: int) -> None:
    given = source(parquet(range(12), files=files))
    assert loaded(given, 4, workers=2, first=3) == loaded(given, 7, workers=2)[3:]


def test_two_workers_for_one_file(parquet: Parquet) -> None:
    assert len(loaded(source(parquet(range(12))), 2, workers=2)) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_held_out_rows_are_never_trained_on(parquet: Parquet, workers: int) -> None:
    train, _ = source(parquet(range(16), files=4)).split(3)
    seen = {number for batch in loaded(train, 26, workers) for number in batch}
    assert seen == set(range(3, 16))


# resuming


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("first", [1, 4, 9])
def test_resumes_exactly(parquet: Parquet, workers: int, first: int) -> None:
    given = source(parquet(range(13), files=2))
    assert dealt(given, 6, workers, first) == dealt(given, 6 + first, workers)[first:]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("first", [4, 9, 13])
def test_whole_passes_are_skipped_if_the_number_of_rows_is_known(
    parquet: Parquet, workers: int, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = source(parquet([0, BAD, 2, 3, 4, BAD, *range(6, 13)], files=2), skip=1)
    uncut = dealt(given, 6 + first, workers)[first:]
    monkeypatch.setattr(hub, "rows_of", lambda data, split: 13)
    read: list[object] = []
    each = HubSource._each
    monkeypatch.setattr(HubSource, "_each", lambda self, rows: (read.append(row) or row for row in each(self, rows)))
    assert dealt(given, 6, workers, first) == uncut
    passes = -(-(2 * -(-6 // workers)) // (12 // workers)) + 1  # that six batches need, begun within one
    assert len(read) <= workers * 12 * passes


@pytest.mark.parametrize("rank", [0, 1])
def test_resumes_exactly_on_every_rank(parquet: Parquet, rank: int) -> None:
    given = source(parquet(range(13)))
    place = {"rank": rank, "world": 2, "batch_size": 3}
    assert rows(given, 9, first=4, **place) == rows(given, 21, **place)[12:]


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 9])
def test_resumes_exactly_past_bad_rows(parquet: Parquet, first: int) -> None:
    given = source(parquet([0, BAD, 2, 3, BAD, BAD, 6, 7]))
    assert dealt(given, 6, 1, first) == dealt(given, 6 + first, 1)[first:]


def test_skipped_rows_are_not_decoded(parquet: Parquet, monkeypatch: pytest.MonkeyPatch) -> None:
    given = source(parquet(range(12)))
    decoded: list[object] = []
    plain = HubSource._decode

    def decode(self: HubSource, *given: Any) -> Any:
        decoded.append(None)
        return plain(self, *given)

    monkeypatch.setattr(HubSource, "_decode", decode)
    rows(given, 2, first=4, batch_size=2)
    assert len(decoded) == 2


# rows that hold no picture


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (BAD, "empty or not a picture"),
        (None, "the row holds no picture"),
        ({"bytes": None, "path": None}, "the row holds no picture"),
        ({"bytes": b"", "path": "x.png"}, "the row only names a file (x.png)"),
    ],
)
def test_bad_row_is_skipped_and_reported(parquet: Parquet, cell: object, reason: str) -> None:
    samples = take(source(parquet([0, cell, 2])), 4)
    assert {row(sample) for sample in samples} == {0, 2}
    lines = [line for sample in samples for line in sample.skipped]
    assert lines
    assert all(line.startswith("parquet[") and line.endswith(f": {reason}") for line in lines)


def test_limits(parquet: Parquet) -> None:
    small, large = ({"bytes": solid(9, side), "path": ""} for side in (15, 40))
    samples = take(source(parquet([0, small, large, 3]), max_pixels=1000), 6)
    assert {row(sample) for sample in samples} == {0, 3}
    lines = " ".join(line for sample in samples for line in sample.skipped)
    assert "16 pixels a side" in lines
    assert "max_pixels=1000" in lines


def test_too_many_bad_rows_in_a_row(parquet: Parquet) -> None:
    with pytest.raises(InputError, match="100 consecutive rows of parquet held no usable picture") as caught:
        take(source(parquet([BAD] * 120)), 1)
    assert "'image'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_few_rows_all_bad(parquet: Parquet) -> None:
    with pytest.raises(InputError, match="usable rows"), at_most(10):
        take(source(parquet([BAD] * 3)), 1)


def test_more_workers_than_rows(parquet: Parquet) -> None:
    with pytest.raises(InputError, match=r"fewer than 4 usable rows .*num_workers"), at_most(10):
        take(source(parquet(range(2))), 1, worker=3, workers=4)


def test_more_workers_than_rows_on_resuming(parquet: Parquet) -> None:
    with pytest.raises(InputError, match=r"fewer than 4 usable rows .*num_workers"), at_most(5):
        take(source(parquet(range(2))), 1, worker=3, workers=4, first=8)


# what the data set must be


def test_column_of_another_name(parquet: Parquet) -> None:
    assert sorted(rows(source(parquet(range(3), column="picture"), column="picture"), 3)) == [0, 1, 2]


def test_wrong_column(parquet: Parquet) -> None:
    with pytest.raises(InputError, match="no column 'image': choose one of picture, label") as caught:
        take(source(parquet(range(3), column="picture")), 1)
    assert "\n" not in str(caught.value)


def test_column_without_pictures(parquet: Parquet) -> None:
    with pytest.raises(InputError) as caught:
        take(source(parquet(range(3)), column="label"), 1)
    assert "\n" not in str(caught.value)


def test_missing_file() -> None:
    with pytest.raises(InputError, match="cannot be opened") as caught:
        take(source(["/nowhere/none.parquet"]), 1)
    assert "\n" not in str(caught.value)


def test_all_arguments_that_identify_the_data_set_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: dict[str, Any] = {}

    def load_dataset(**given: Any) -> Any:
        asked.update(given)
        raise RuntimeError

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    given = {"path": "a/b", "split": "test", "name": "large", "data_files": ["x.parquet"], "revision": "0123"}
    with pytest.raises(InputError, match="cannot be opened"):
        take(HubSource(**given), 1)  # type: ignore[arg-type]
    assert asked == {**given, "streaming": True}


def test_wrong_split(parquet: Parquet) -> None:
    with pytest.raises(InputError, match=r"\(split test\) cannot be opened") as caught:
        take(source(parquet(range(3)), split="test"), 1)
    assert "\n" not in str(caught.value)


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="EXTRAS=hub") as caught:
        take(source([]), 1)
    assert "\n" not in str(caught.value)


def test_nothing_is_opened_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert HubSource("nobody/nothing").path == "nobody/nothing"


# holding out


def test_first_rows_are_held_out(parquet: Parquet) -> None:
    train, held = source(parquet(range(8))).split(3)
    assert [held.read(name, 16).getpixel((0, 0))[0] for name in held.names] == [0, 1, 2]
    assert sorted(rows(train, 5)) == [3, 4, 5, 6, 7]


def test_names_of_held_out_rows(parquet: Parquet) -> None:
    _, held = source(parquet(range(4))).split(2)
    assert held.names == ["parquet[held-out 0]", "parquet[held-out 1]"]


def test_subset_of_held_out_rows(parquet: Parquet) -> None:
    _, held = source(parquet(range(4))).split(3)
    part = held.subset(held.names[1:2])
    assert part.read(part.names[0], 16).getpixel((0, 0))[0] == 1


def test_parts_keep_what_was_given(parquet: Parquet) -> None:
    train, _ = source(parquet(range(6), column="picture"), column="picture", min_side=17).split(2)
    assert (train.column, train.min_side, train.buffer, train.skip) == ("picture", 17, 4, 2)


def test_nothing_left_to_hold_out(parquet: Parquet) -> None:
    with pytest.raises(InputError, match="has no rows"):
        source(parquet(range(3)), skip=3).split(2)


def test_empty_file(parquet: Parquet) -> None:
    with pytest.raises(InputError) as caught:
        source(parquet([])).split(2)
    assert "\n" not in str(caught.value)


def test_data_module(parquet: Parquet) -> None:
    data = StyleTransferDataModule(
        source(parquet(range(8), column="photo"), column="photo"),
        source(parquet(range(100, 106), column="painting"), column="painting"),
        batch_size=2, resize=20, crop=16, flip=0.0, val_size=16, val_pairs=2, num_workers=0, seed=0,
    )  # fmt: skip
    data.setup()
    batches = list(islice(data.train_dataloader(), 3))
    assert {n for batch in batches for n in batch["content"][:, 0, 0, 0].tolist()} == set(range(2, 8))
    held = next(iter(data.val_dataloader()))
    assert held["content"][:, 0, 0, 0].tolist() == [0, 1]
    assert held["style"][:, 0, 0, 0].tolist() == [100, 101]


def test_unreadable_rows_are_not_held_out_but_counted(parquet: Parquet) -> None:
    bad = {"bytes": b"no picture", "path": "x.png"}
    training, held = source(parquet([0, bad, 1, 2, 3, 4])).split(2)
    assert held.names == ["parquet[held-out 0]", "parquet[held-out 2]"]
    assert held.skipped == ("parquet[held-out 1]: empty or not a picture",)
    assert isinstance(training, HubSource)
    assert sorted(rows(training, 3)) == [2, 3, 4]


def test_nothing_readable_to_hold_out(parquet: Parquet) -> None:
    with pytest.raises(InputError, match="none of the first 3 rows"):
        source(parquet([{"bytes": b"no picture", "path": "x.png"}] * 3)).split(2)
