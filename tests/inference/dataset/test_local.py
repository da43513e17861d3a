"""Whole data sets on this machine: the right pictures, whatever the batches, workers, shards and kills."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tqdm.auto import tqdm

from adain.data.picture import read_picture
from adain.inference.dataset import local
from adain.inference.dataset.local import Painter, Reader, Request, batches, decoder_digest, encode, requests, stylize
from adain.inference.dataset.manifest import Manifest
from adain.inference.dataset.plan import Job, Plan, list_styles
from adain.inference.stylizer import Stylizer
from adain.runtime.errors import UserError
from tests.helpers.forked import Forked
from tests.helpers.pictures import draw, smooth

SIZES = [(24, 20), (31, 17), (24, 20), (16, 40), (24, 20), (24, 20)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Twelve contents of four sizes in two labels, one of them unreadable and one too small; five styles, one broken."""
    root = tmp_path_factory.mktemp("pictures of ü = 1")
    content, style = root / "content", root / "style"
    for i in range(10):
        draw(content / ("cats" if i % 2 else "a = b") / f"{i}.png", i, SIZES[i % len(SIZES)])
    draw(content / "cats" / "small.png", 90, (15, 20))
    (content / "cats" / "broken.jpg").write_bytes(b"no picture")
    for i in range(4):
        draw(style / f"{i}.png", 100 + i, (20 + i, 24))
    (style / "broken.png").write_bytes(b"")
    return content, style


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter("reference", device="cpu")


def made(
    out: Path, folders: tuple[Path, Path], painter: Painter, plan: dict[str, Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Runs what is not there yet and gives the manifest's rows."""
    content, style = folders
    names, _ = list_styles(style)
    chosen = Plan(content, len(names), **(plan or {}))
    reader = Reader(
        content, style, names, **{k: options.pop(k) for k in ("size", "crop", "style_size") if k in options}
    )
    with Manifest(out, {"seed": chosen.seed}, chosen.shard, chosen.shards) as manifest:
        jobs = [job for job in chosen.jobs() if not manifest.has(job.output)]
        with tqdm(total=len(jobs), file=io.StringIO()) as bar:
            count = stylize(jobs, reader, painter, manifest, bar, {"seed": 0}, **{"workers": 0, **options})
            assert bar.n == len(jobs)
        rows = [json.loads(line) for line in manifest.path.read_text().splitlines()] if manifest.path.exists() else []
        assert count == len(rows) - len(manifest)
    return rows


def pictures(out: Path) -> dict[str, np.ndarray]:
    found = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.suffix in (".png", ".jpg")}
    assert not list(out.rglob(".part-*"))
    return {name: np.asarray(Image.open(path)) for name, path in found.items()}


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, folders: tuple[Path, Path], painter: Painter
) -> tuple[Path, list[dict[str, Any]]]:
    out = tmp_path_factory.mktemp("plain")
    return out, made(out, folders, painter)


def test_every_readable_picture_is_made_and_recorded(
    plain: tuple[Path, list[dict[str, Any]]], folders: tuple[Path, Path]
) -> None:
    out, rows = plain
    expected = {p.relative_to(folders[0]).as_posix() for p in folders[0].rglob("*.png")} - {"cats/small.png"}
    assert set(pictures(out)) == {row["output"] for row in rows} == expected
    assert len(rows) == len(expected)
    for row in rows:
        assert row["content"] == row["output"]
        assert row["content_size"] == row["output_size"] == list(Image.open(out / row["output"]).size)
        assert row["style"] != "broken.png"


def test_a_picture_is_what_stylizer_makes_of_the_recorded_pair(
    plain: tuple[Path, list[dict[str, Any]]], folders: tuple[Path, Path], painter: Painter
) -> None:
    out, rows = plain
    for row in rows[:4]:
        content, style = read_picture(folders[0] / row["content"]), read_picture(folders[1] / row["style"])
        expected = painter.stylizer.stylize(content, style)
        assert np.array_equal(np.asarray(Image.open(out / row["output"])), np.asarray(expected))


def test_unreadable_ones_are_listed(plain: tuple[Path, list[dict[str, Any]]]) -> None:
    lines = (plain[0] / "unreadable-00000-of-00001.jsonl").read_text().splitlines()
    listed = {(row["kind"], row["name"]): row["reason"] for row in map(json.loads, lines)}
    assert set(listed) == {("content", "cats/small.png"), ("content", "cats/broken.jpg"), ("style", "broken.png")}
    assert listed["content", "cats/small.png"] == "15 x 20 is below 16 pixels a side"


def test_one_that_its_format_cannot_hold_is_listed_before_it_is_painted(tmp_path: Path) -> None:
    Image.new("RGB", (16_400, 16)).save(tmp_path / "wide.png")
    reader = Reader(tmp_path, tmp_path, ["wide.png"])
    for ending, reason in (("webp", "16400 x 16 is too large for .webp files"), ("png", "")):
        read = reader[Request(Job("wide.png", 0, 1, f"wide.{ending}"), with_style=False)]
        assert (read.reason, read.pixels is None) == (reason, bool(reason))


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"workers": 2}, {"cached_styles": 1}])
def test_batches_workers_and_memory_do_not_change_the_pictures(
    options: dict[str, int],
    plain: tuple[Path, list[dict[str, Any]]],
    folders: tuple[Path, Path],
    painter: Painter,
    tmp_path: Path,
) -> None:
    rows = made(tmp_path, folders, painter, **options)
    assert sorted(map(json.dumps, rows)) == sorted(map(json.dumps, plain[1]))
    expected, got = pictures(plain[0]), pictures(tmp_path)
    assert expected.keys() == got.keys()
    for name, picture in expected.items():  # a batch may round a half the other way
        assert np.abs(picture.astype(int) - got[name]).max() <= (1 if "batch_size" in options else 0)


@pytest.mark.parametrize("count", [1, 2])
def test_alpha_is_the_strength_of_the_style(count: int, painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture goes another way than several."""
    monkeypatch.setattr(Stylizer, "load", lambda *_: painter.stylizer)
    random = np.random.default_rng(0)
    contents = list(random.integers(0, 256, (count, 20, 24, 3), dtype=np.uint8))
    style = painter.encode(local.Style("", random.integers(0, 256, (20, 24, 3), dtype=np.uint8)))
    found = Painter("reference", alpha=0.3).paint(contents, [style] * count)
    for content, picture in zip(contents, found, strict=True):
        wanted, full = (painter.stylizer.stylize(Image.fromarray(content), style, alpha) for alpha in (0.3, 1.0))
        assert np.abs(np.asarray(picture, int) - np.asarray(wanted, int)).max() <= 1
        assert np.abs(np.asarray(picture, int) - np.asarray(full, int)).max() > 20


def test_sizes_are_recorded_as_they_were_and_as_they_became(
    folders: tuple[Path, Path], painter: Painter, tmp_path: Path
) -> None:
    for row in made(tmp_path, folders, painter, size=16, crop=16):
        assert row["content_size"] == list(Image.open(folders[0] / row["content"]).size)
        assert row["output_size"] == list(Image.open(tmp_path / row["output"]).size) == [16, 16]


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_are_made_in_the_precision_that_is_asked_for(count: int, painter: Painter) -> None:
    """Rounded, by a gray level or so, whether alone or in a batch."""
    rounded = Painter("reference", device="cpu", precision="bf16-mixed")
    contents = [np.asarray(smooth(seed, (48, 40))) for seed in range(count)]
    styles = [painter.stylizer.encode_style(smooth(9, (40, 48)))] * count
    exact, made = (
        np.stack([np.asarray(one, float) for one in own.paint(contents, styles)]) for own in (painter, rounded)
    )
    assert 0.05 < np.abs(exact - made).mean() < 2


def test_shards_make_the_same(
    plain: tuple[Path, list[dict[str, Any]]], folders: tuple[Path, Path], painter: Painter, tmp_path: Path
) -> None:
    rows = [row for i in range(3) for row in made(tmp_path, folders, painter, {"shards": 3, "shard": i})]
    assert sorted(map(json.dumps, rows)) == sorted(map(json.dumps, plain[1]))
    expected, got = pictures(plain[0]), pictures(tmp_path)
    assert all(np.array_equal(picture, got[name]) for name, picture in expected.items())


def test_what_is_there_is_left_alone(folders: tuple[Path, Path], painter: Painter, tmp_path: Path) -> None:
    rows = made(tmp_path, folders, painter)
    (tmp_path / rows[3]["output"]).unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert sorted(map(json.dumps, made(tmp_path, folders, painter))) == sorted(map(json.dumps, rows))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(pictures(tmp_path)) == len(rows)


def test_contents_are_resized_and_cropped_and_styles_only_reduced(tmp_path: Path) -> None:
    content, style = tmp_path / "content", tmp_path / "style"
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    draw(content / "a.jpg", 1, (60, 40), exif=exif)
    draw(style / "large.png", 2, (64, 96))
    draw(style / "small.png", 3, (20, 30))
    reader = Reader(content, style, ["large.png", "small.png"], size=32, crop=24, style_size=32)
    read = reader[Request(Job("a.jpg", 0, 1, "a.jpg"), with_style=True)]
    assert read.pixels is not None
    assert read.style is not None
    assert (read.size, read.pixels.shape, read.style.pixels.shape) == ((40, 60), (24, 24, 3), (48, 32, 3))
    assert reader.read_style(1).pixels.shape == (30, 20, 3)
    limited = Reader(content, style, ["large.png", "small.png"], size=32, max_pixels=60 * 40 - 1)
    assert limited[Request(Job("a.jpg", 0, 1, "a.jpg"), with_style=False)].reason == "60 x 40 is over max_pixels=2399"
    assert limited.read_style(0).name == "small.png"  # the other has 64 x 96
    whole = np.asarray(read_picture(content / "a.jpg", 32))
    assert np.array_equal(read.pixels, whole[12:36, 4:28])


def test_a_style_is_asked_for_once_while_it_is_remembered() -> None:
    styles = [random.Random(i).randrange(6) for i in range(200)]
    held: set[int] = set()
    for request in requests((Job(str(i), s, 1, str(i)) for i, s in enumerate(styles)), 3):
        assert request.with_style == (request.job.style not in held)
        held.add(request.job.style)
        held.discard(-1 if request.forget is None else request.forget)
        assert request.job.style in held
        assert len(held) <= 3


def test_batches_are_of_one_size_and_nothing_waits_for_ever() -> None:
    shapes = [(16, 16 + random.Random(i).randrange(30), 3) for i in range(300)] + [(1001, 1000, 3)] * 3
    ready = [local.Ready(Job(str(i), 0, 1, ""), np.empty(s), (0, 0), "", None) for i, s in enumerate(shapes)]  # type: ignore[arg-type]
    waiting, seen = 0, Counter[str]()

    def counted() -> Any:
        nonlocal waiting
        for one in ready:
            waiting += 1
            yield one

    for batch in batches(counted(), 4):
        waiting -= len(batch)
        assert waiting < 8 * 4
        assert len(batch) <= 4
        assert len({one.pixels.shape for one in batch}) == 1
        assert len(batch) == 1 or batch[0].pixels.shape != (1001, 1000, 3)
        seen.update(one.job.content for one in batch)
    assert seen == Counter(str(i) for i in range(303))


def test_only_broken_styles_are_a_users_message(folders: tuple[Path, Path], painter: Painter, tmp_path: Path) -> None:
    (tmp_path / "style").mkdir()
    (tmp_path / "style" / "a.png").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"none of the 1 style pictures can be read, .* a\.png \(empty or not a picture\)"
    ):
        made(tmp_path / "out", (folders[0], tmp_path / "style"), painter, workers=1)


def test_a_full_disk_stops_the_run_with_one_sentence(
    folders: tuple[Path, Path], painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match="disk .* full"):
            made(tmp_path, folders, painter)
    assert len(made(tmp_path, folders, painter)) == 10


def test_too_little_device_memory_is_a_users_message(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    picture = np.zeros((20, 30, 3), np.uint8)
    monkeypatch.setattr(painter.stylizer, "stylize", fails)
    with pytest.raises(UserError, match="1 pictures of 30 x 20 do not fit .* smaller batch_size"):
        painter.paint([picture], [painter.encode(local.Style("", picture))])


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "jpe", "png", "webp"])
def test_files_are_of_the_kind_their_ending_says(ending: str) -> None:
    opened = Image.open(io.BytesIO(encode(Image.new("RGB", (20, 30), "red"), f"x/a.{ending}", 95)))
    assert opened.format == {"png": "PNG", "webp": "WEBP"}.get(ending, "JPEG")
    assert opened.size == (20, 30)


def test_the_digest_is_of_the_weights_not_of_the_file(tmp_path: Path, painter: Painter) -> None:
    state = painter.stylizer.decoder.state_dict()
    torch.save(state, tmp_path / "same.pth")
    assert decoder_digest(str(tmp_path / "same.pth")) == decoder_digest("reference")
    torch.save({**state, "conv1_1.bias": state["conv1_1.bias"] + 1}, tmp_path / "other.pth")
    assert decoder_digest(str(tmp_path / "other.pth")) != decoder_digest("reference")


_KILLED = """
import io, os, random, signal, sys
from pathlib import Path
import numpy as np
from tqdm.auto import tqdm
from adain.inference.dataset.manifest import Manifest
from adain.inference.dataset.plan import Plan, list_styles
from adain.inference.dataset.local import Painter, Reader, stylize

content, style, out = map(Path, sys.argv[1:4])
chance, kills = random.Random(4), 0
painter = Painter("reference", device="cpu")
names, _ = list_styles(style)
plan = Plan(content, len(names), styles_per_picture=2)

def run():
    with Manifest(out, {}) as manifest, tqdm(file=io.StringIO()) as bar:
        jobs = (job for job in plan.jobs() if not manifest.has(job.output))
        stylize(jobs, Reader(content, style, names), painter, manifest, bar, {}, workers=int(sys.argv[4]))

def die_at(event):  # this process's so many-th use of a file
    left = iter(range(event))

    def watch(name, _):
        if name in ("open", "os.rename", "os.remove") and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)

status = None
while status != 0:
    event = chance.randrange(5, 60)
    child = os.fork()
    if child == 0:
        if kills < 20:
            die_at(event)
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WIFSIGNALED(status), status
    kills += os.WIFSIGNALED(status)
print(kills)
"""


def test_killed_twenty_times_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    content, style, out = (tmp_path / name for name in ("content", "style", "out"))
    for i in range(80):
        draw(content / f"{i % 3}" / f"{i}.png", i, (16, 16 + i % 3))
    for i in range(3):
        draw(style / f"{i}.png", 100 + i, (16, 16))
    done = Forked(["-c", _KILLED, *map(str, (content, style, out)), "0"], tmp_path)
    assert done.wait() == 0, done.err
    assert int(done.out) == 20
    expected = [job.output for job in Plan(content, 3, styles_per_picture=2).jobs()]
    assert sorted(pictures(out)) == sorted(expected)
    lines = (out / "manifest-00000-of-00001.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["output"] for line in lines) == sorted(expected)
    for line in lines:
        row = json.loads(line)
        assert Image.open(out / row["output"]).size == tuple(row["output_size"])
