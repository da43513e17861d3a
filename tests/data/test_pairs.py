from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from adain.data.pairs import Batch, Framing, HeldOutPairs, PairStream, StyleTransferDataModule, collate
from adain.data.picture import resized, to_tensor
from adain.data.sources import FolderSource, Place
from adain.data.synthetic import SyntheticSource
from adain.runtime.errors import InputError
from tests.helpers.pictures import gradient, green_first

FRAMING = Framing(resize=24, crop=16, flip=0.5)


def stream(seed: int = 0, contents: int = 7, styles: int = 5, **place: int) -> PairStream:
    return PairStream(
        SyntheticSource("content", contents), SyntheticSource("style", styles), FRAMING, seed, Place(**place)
    )


def pairs(count: int, **given: int) -> list[dict[str, Any]]:
    return list(islice(stream(**given), count))


def batches(count: int, workers: int = 0, batch_size: int = 2, **given: int) -> list[Batch]:
    loader = DataLoader(stream(batch_size=batch_size, **given), batch_size, num_workers=workers, collate_fn=collate)
    return list(islice(loader, count))


def named(batch: Batch | dict[str, Any]) -> Any:
    return batch["content_name"], batch["style_name"]


def same(one: Any, other: Any) -> bool:
    return (
        len(one) == len(other)
        and all(named(a) == named(b) for a, b in zip(one, other, strict=True))
        and all(torch.equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in ("content", "style"))
    )


# the stream of pairs


def test_pair_layout() -> None:
    pair = pairs(1)[0]
    for key in ("content", "style"):
        assert pair[key].shape == (3, 16, 16)
        assert pair[key].dtype == torch.uint8
        assert pair[f"{key}_name"].startswith(key)
    assert pair["skipped"] == []


def test_same_seed_same_pairs() -> None:
    assert same(pairs(20), pairs(20))


def test_other_seed_other_pairs() -> None:
    one, other = pairs(20, seed=1), pairs(20, seed=2)
    assert [named(pair) for pair in one] != [named(pair) for pair in other]


def test_pair_k_does_not_depend_on_the_number_of_ranks() -> None:
    alone = pairs(24, batch_size=4)
    ranks = [iter(stream(batch_size=2, world=2, rank=rank)) for rank in (0, 1)]
    together = [pair for _ in range(6) for rank in ranks for pair in islice(rank, 2)]
    assert same(alone, together)


def test_ranks_are_disjoint() -> None:
    shares = [pairs(6, contents=24, styles=24, batch_size=2, world=4, rank=rank) for rank in range(4)]
    for key in ("content_name", "style_name"):
        assert len({pair[key] for share in shares for pair in share}) == 24


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_do_not_change_the_batches(workers: int) -> None:
    assert same(batches(7, workers=workers), batches(7))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("first", [1, 5])
def test_starting_late_equals_skipping(workers: int, first: int) -> None:
    assert same(batches(5, workers=workers, first=first), batches(5 + first)[first:])


def test_starting_late_on_a_rank() -> None:
    assert same(batches(3, world=3, rank=1, first=4), batches(7, world=3, rank=1)[4:])


@pytest.mark.parametrize(("key", "count"), [("content_name", 7), ("style_name", 5)])
def test_contents_and_styles_repeat_independently(key: str, count: int) -> None:
    seen = [pair[key] for pair in pairs(3 * count)]
    passes = [seen[start : start + count] for start in range(0, 3 * count, count)]
    assert all(len(set(part)) == count for part in passes)
    assert len({tuple(part) for part in passes}) == 3


def test_content_and_style_are_not_locked_together() -> None:
    seen = [[name.split("_")[1] for name in named(pair)] for pair in pairs(18, contents=9, styles=9)]
    assert [content for content, _ in seen] != [style for _, style in seen]
    partners = [dict(seen[:9]), dict(seen[9:])]
    assert partners[0] != partners[1]


def test_a_picture_gets_another_crop_in_the_next_pass() -> None:
    seen = pairs(12, contents=1, styles=1)
    assert len({pair["style"].numpy().tobytes() for pair in seen}) > 6


def test_skipped_files_travel_with_the_batch(folder: Callable[..., Path]) -> None:
    content, style = FolderSource(str(folder("a", good=2, bad=2))), FolderSource(str(folder("b", good=2, bad=1)))
    both = PairStream(content, style, FRAMING, 0, Place(batch_size=12))
    batch = next(iter(DataLoader(both, 12, num_workers=1, collate_fn=collate)))
    lines = " ".join(batch["skipped"])
    assert all(name in lines for name in ("a/bad_00", "a/bad_01", "b/bad_00"))


def test_skipped_held_out_files_of_both_kinds_travel_with_the_first_pair(folder: Callable[..., Path]) -> None:
    content, style = (FolderSource(str(folder(name, good=2))) for name in ("a", "b"))
    content.skipped, style.skipped = ("a/x.png: empty",), ("b/y.png: empty",)
    held = HeldOutPairs(content, style, 2, 16)
    assert [held[index]["skipped"] for index in range(2)] == [["a/x.png: empty", "b/y.png: empty"], []]


def test_error_of_a_worker_is_one_sentence(folder: Callable[..., Path]) -> None:
    bad = FolderSource(str(folder(bad=2)))
    loader = iter(DataLoader(PairStream(bad, bad, FRAMING, 0, Place()), num_workers=1, collate_fn=collate))
    with pytest.raises(InputError, match="could not be read") as caught:
        next(loader)
    loader._shutdown_workers()  # type: ignore[attr-defined]  # left to the collector it takes five seconds
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


# framing


def test_crops_reach_every_border() -> None:
    random = np.random.default_rng(0)
    corners = [Framing(24, 16, 0.0)(gradient(30, 24), random, flip=True)[:2, 0, 0].tolist() for _ in range(300)]
    xs, ys = zip(*corners, strict=True)
    assert set(xs) == set(range(15))
    assert set(ys) == set(range(9))


@pytest.mark.parametrize("resize", [17, 40, 90])
def test_crop_is_that_of_the_resized_picture(resize: int) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8))
    whole = to_tensor(noise.resize(resized(noise.size, resize), Image.Resampling.BILINEAR))
    for seed in range(20):
        random = np.random.default_rng(seed)
        x, y = (int(random.integers(side - 16 + 1)) for side in reversed(whole.shape[1:]))
        crop = Framing(resize, 16, 0.0)(noise, np.random.default_rng(seed), flip=False)
        assert (crop.int() - whole[:, y : y + 16, x : x + 16].int()).abs().max() <= 1  # Pillow's rounding


def test_crops_and_held_out_squares_are_in_srgb_whatever_the_profile(tmp_path: Path) -> None:
    """The profile is applied to the crop, not to the whole picture: see ``decode_picture``."""
    Image.new("RGB", (48, 36), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=green_first())
    source = FolderSource(str(tmp_path))
    assert source.read(source.names[0], 24).getpixel((0, 0)) == (255, 0, 0)
    green = torch.tensor([0, 255, 0])[:, None, None]
    pair = next(iter(PairStream(source, source, FRAMING, 0, Place())))
    held = HeldOutPairs(source, source, 1, 24)[0]
    for pixels in (pair["content"], pair["style"], held["content"], held["style"]):
        assert (pixels.int() - green).abs().max() <= 3


def test_crop_as_large_as_the_picture() -> None:
    crop = Framing(16, 16, 0.0)(gradient(16, 16), np.random.default_rng(0), flip=True)
    assert crop[0, 0].tolist() == list(range(16))


def test_content_is_flipped_left_to_right() -> None:
    crop = Framing(16, 16, 1.0)(gradient(16, 16), np.random.default_rng(0), flip=True)
    assert crop[0, 0].tolist() == list(range(16))[::-1]
    assert crop[1, :, 0].tolist() == list(range(16))


def test_style_is_never_flipped() -> None:
    crop = Framing(16, 16, 1.0)(gradient(16, 16), np.random.default_rng(0), flip=False)
    assert crop[0, 0].tolist() == list(range(16))


def test_styles_are_seen_at_several_sizes_and_contents_at_one() -> None:
    """The step between two neighbors of a horizontal gradient tells the size that it was resized to."""
    framing, ramp = Framing(64, 16, 0.0, style_zoom=4.0), gradient(250, 250)

    def side(crop: torch.Tensor) -> float:
        return 249 * 15 / float(crop[0, 0, -1].int() - crop[0, 0, 0].int())

    random = np.random.default_rng(0)
    styles = np.array([side(framing.of_style(ramp, random)) for _ in range(200)])
    assert 55 < styles.min() < 75
    assert 220 < styles.max() < 290
    assert 0.4 < (styles < 128).mean() < 0.6  # evenly on a logarithmic scale
    assert {round(side(framing(ramp, random, flip=False)) / 10) for _ in range(20)} <= {6, 7}


def test_without_zoom_styles_are_framed_as_contents() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8))
    style = Framing(24, 16, 0.5).of_style(noise, np.random.default_rng(3))
    assert torch.equal(style, Framing(24, 16, 0.0)(noise, np.random.default_rng(3), flip=True))


def test_flip_is_a_share() -> None:
    random = np.random.default_rng(0)
    mirrored = [int(Framing(16, 16, 0.25)(gradient(16, 16), random, flip=True)[0, 0, 0]) == 15 for _ in range(400)]
    assert 0.18 < sum(mirrored) / 400 < 0.32


# the data module


def module(**changed: Any) -> StyleTransferDataModule:
    given: dict[str, Any] = {
        "content": SyntheticSource("content", 12), "style": SyntheticSource("style", 9), "batch_size": 2, "resize": 24,
        "crop": 16, "flip": 0.5, "val_size": 20, "val_pairs": 3, "num_workers": 0, "seed": 0,
    }  # fmt: skip
    return StyleTransferDataModule(**(given | changed))


def attached(
    step: int = 0, world: int = 1, rank: int = 0, accumulate: int = 1, **changed: Any
) -> StyleTransferDataModule:
    data = module(**changed)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_step=step, world_size=world, global_rank=rank, accumulate_grad_batches=accumulate
    )
    data.setup("fit")
    return data


def train_batches(data: StyleTransferDataModule, count: int) -> list[Any]:
    return list(islice(data.train_dataloader(), count))


def test_crop_above_resize() -> None:
    with pytest.raises(InputError, match=r"crop=25 is larger than resize=24") as caught:
        module(crop=25)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["crop", "val_size"])
def test_tiny_pictures(key: str) -> None:
    with pytest.raises(InputError, match=f"{key}=15"):
        module(**{key: 15})


def test_batches_travel_as_bytes_and_become_floats() -> None:
    data = attached()
    batch = train_batches(data, 1)[0]
    before = {key: batch[key].clone() for key in ("content", "style")}
    assert before["content"].dtype == before["style"].dtype == torch.uint8
    after = data.on_after_batch_transfer(batch, 0)
    for key in ("content", "style"):
        assert after[key].dtype == torch.float32
        assert after[key].shape == (2, 3, 16, 16)
        torch.testing.assert_close(after[key], before[key].float() / 255)
    assert after["content"].max() > 0.1


@pytest.mark.parametrize(("gpus", "cores", "expected"), [(0, 16, 2), (1, 16, 15), (1, 64, 16), (8, 64, 7), (8, 8, 2)])
def test_beside_a_gpu_its_share_of_the_cores_loads(
    gpus: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr("adain.data.pairs.cores", lambda: cores)
    assert module(num_workers=None).num_workers == expected
    assert module(num_workers=3).num_workers == 3


def test_floats_are_not_scaled_twice() -> None:
    data = attached()
    once = data.on_after_batch_transfer(train_batches(data, 1)[0], 0)
    kept = once["content"].clone()
    assert torch.equal(data.on_after_batch_transfer(once, 0)["content"], kept)


def test_red_files_become_red_batches(folder: Callable[..., Path]) -> None:
    red, blue = (FolderSource(str(folder(color, good=4, color=color))) for color in ("red", "blue"))
    data = attached(content=red, style=blue)
    for loader in (data.train_dataloader(), data.val_dataloader()):
        batch = data.on_after_batch_transfer(next(iter(loader)), 0)
        assert batch["content"].mean((0, 2, 3)).tolist() == [1, 0, 0]
        assert batch["style"].mean((0, 2, 3)).tolist() == [0, 0, 1]


def test_workers_of_the_module_do_not_change_its_batches() -> None:
    assert same(train_batches(attached(num_workers=2), 4), train_batches(attached(), 4))


def test_ranks_of_the_module_share_the_stream() -> None:
    alone = train_batches(attached(batch_size=4), 3)
    shares = [train_batches(attached(world=2, rank=rank), 3) for rank in (0, 1)]
    joined = [torch.cat([one["content"], other["content"]]) for one, other in zip(*shares, strict=True)]
    assert all(torch.equal(batch["content"], both) for batch, both in zip(alone, joined, strict=True))


def test_without_a_trainer() -> None:
    data = module()
    data.setup()
    assert same(train_batches(data, 3), train_batches(attached(), 3))


# resuming


def resumed(state: dict[str, Any], **given: Any) -> StyleTransferDataModule:
    data = attached(**given)
    data.load_state_dict(state)
    return data


def test_resuming_continues_the_stream() -> None:
    whole = train_batches(attached(), 8)
    assert same(train_batches(resumed(attached(step=5).state_dict()), 3), whole[5:])


def test_fresh_state_starts_at_the_first_pair() -> None:
    assert same(train_batches(resumed(attached().state_dict()), 3), train_batches(attached(), 3))


def test_prefetched_batches_do_not_count() -> None:
    data = attached(num_workers=2)
    train_batches(data, 6)
    data.trainer.global_step = 2  # type: ignore[union-attr,misc]
    assert same(train_batches(resumed(data.state_dict()), 2), train_batches(attached(), 4)[2:])


def test_accumulated_batches_count() -> None:
    state = attached(step=2, accumulate=3).state_dict()
    assert same(train_batches(resumed(state, accumulate=3), 2), train_batches(attached(), 8)[6:])


def test_resuming_twice() -> None:
    once = resumed(attached(step=2).state_dict(), step=5)
    assert same(train_batches(resumed(once.state_dict()), 2), train_batches(attached(), 7)[5:])


def test_resuming_with_other_accumulation_counts_each_part_by_its_own() -> None:
    once = resumed(attached(step=2, accumulate=2).state_dict(), step=5)
    assert same(train_batches(resumed(once.state_dict()), 2), train_batches(attached(), 9)[7:])


def test_resuming_on_more_ranks_continues_the_stream() -> None:
    whole = train_batches(attached(), 8)
    shares = [train_batches(resumed(attached(step=4).state_dict(), world=2, rank=rank), 2) for rank in (0, 1)]
    assert same([batch for turn in zip(*shares, strict=True) for batch in turn], whole[4:])


def test_resuming_with_another_batch_size_continues_the_stream() -> None:
    whole = train_batches(attached(batch_size=4), 4)
    assert same(train_batches(resumed(attached(step=4).state_dict(), batch_size=4), 2), whole[2:])


def test_resuming_with_another_seed() -> None:
    with pytest.raises(InputError, match="trained with seed=3, but seed=4") as caught:
        resumed(attached(seed=3).state_dict(), seed=4)
    assert "\n" not in str(caught.value)


# crops to start from


def test_draw_is_deterministic() -> None:
    for one, other in zip(module().sample_crops(5), module().sample_crops(5), strict=True):
        assert torch.equal(one, other)


def test_draw_layout() -> None:
    for crops in module().sample_crops(5):
        assert crops.shape == (5, 3, 16, 16)
        assert crops.dtype == torch.float32
        assert 0 <= crops.min() < crops.max() <= 1


def test_draw_depends_on_the_seed() -> None:
    assert not torch.equal(module(seed=1).sample_crops(5)[0], module(seed=2).sample_crops(5)[0])


def test_draw_is_no_part_of_the_stream() -> None:
    data = attached()
    drawn = data.sample_crops(4)[0]
    batches = train_batches(data, 2)
    assert same(batches, train_batches(attached(), 2))
    assert not torch.equal(drawn, torch.cat([batch["content"] for batch in batches]).float() / 255)


# held-out pairs


def test_validation_pairs_are_fixed() -> None:
    one, other = (list(attached(seed=seed).val_dataloader()) for seed in (1, 2))
    assert same(one, other)


def test_validation_batches() -> None:
    data = attached()
    batches = list(data.val_dataloader())
    assert [len(batch["content"]) for batch in batches] == [2, 1]
    assert all(batch[key].shape[1:] == (3, 20, 20) for batch in batches for key in ("content", "style"))
    names = [pair for batch in batches for pair in zip(*named(batch), strict=True)]
    assert names == data.held_out.names


def test_few_held_out_pictures_are_repeated() -> None:
    data = attached(val_pairs=5)  # 12 contents hold out 2, 9 styles 1
    contents, styles = zip(*data.held_out.names, strict=True)
    assert len(data.held_out) == 5
    assert contents == (contents[0], contents[1], contents[0], contents[1], contents[0])
    assert set(styles) == {styles[0]}


def test_held_out_pictures_are_never_trained_on() -> None:
    data = attached()
    held = {name for pair in data.held_out.names for name in pair}
    trained = {name for batch in train_batches(data, 30) for part in named(batch) for name in part}
    assert not held & trained
    assert len(trained) == 12 + 9 - len(held)


def test_setup_again_changes_nothing() -> None:
    data = attached()
    before = data.held_out
    data.setup("validate")
    assert data.held_out is before


def test_validation_without_fit() -> None:
    assert len(list(module().val_dataloader())) == 2


def test_held_out_pictures_are_cropped_at_the_center(tmp_path: Path) -> None:
    gradient(60, 20).save(tmp_path / "wide.png")
    source = FolderSource(str(tmp_path))
    square = HeldOutPairs(source, source, 1, 20)[0]["content"]
    assert square[0, 0].tolist() == list(range(20, 40))


def test_unreadable_held_out_picture(folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "held_out.txt").write_text("bad_00.png")
    content = FolderSource(str(folder(good=3, bad=1)), held_out=str(tmp_path / "held_out.txt"))
    with pytest.raises(InputError, match=r"bad_00\.png cannot be read") as caught:
        list(attached(content=content).val_dataloader())
    assert "\n" not in str(caught.value)
