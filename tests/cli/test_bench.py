from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from adain.evaluation.speed import bench as speed
from adain.evaluation.speed.clock import timings
from adain.evaluation.speed.loading import readable
from tests.helpers.pictures import draw
from tests.helpers.runners import run_here


def _bench(folder: Path, *overrides: str) -> dict[str, Any]:
    """What it saves, and as ``out`` what it prints."""
    small = ["batch_sizes=[1]", "repeats=1", "least_seconds=0", "memory=false", "precisions=[32-true]"]
    code, out, err = run_here("bench", folder, *small, *overrides)
    assert code == 0, err
    (saved,) = folder.glob("logs/bench/*/bench.json")
    found: dict[str, Any] = json.loads(saved.read_text())
    with saved.with_suffix(".csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found["rows"])
    return found | {"out": out}


def test_the_step_is_measured_beside_the_plain_one_at_every_size(tmp_path: Path) -> None:
    """That it runs and says what it measured; how fast is for people to look at, not for tests."""
    found = _bench(tmp_path, "bench=train", "sizes=[32,40]")
    rows = found["rows"]
    steps = ["plain, default allocator", "plain", "ours, 32-true", "ours, 32-true, Lightning's loop"]
    assert [(row["size"], row["contestant"]) for row in rows] == [(size, step) for size in (32, 40) for step in steps]
    assert all(row["median_s"] > 0 for row in rows)
    assert "x plain" in found["out"]


def test_stages_stand_beside_their_floors(tmp_path: Path) -> None:
    found = _bench(tmp_path, "bench=stages", "sizes=[64]", "profile=true", "memory_formats=[channels_first]")
    rows = {row["stage"]: row for row in found["rows"]}
    assert {"whole step", "decode"} <= {name for name, row in rows.items() if row["median_s"] > 0}
    limit = found["rates"]["32-true"]
    # counted by hand: conv4_1 alone does 2 * 9 * 512 * 256 * 8 * 8 operations
    assert rows["decode"]["gflop"] > 2 * 9 * 512 * 256 * 8 * 8 / 1e9
    assert (
        rows["decode"]["floor_s"] >= rows["decode"]["gflop"] * 1e9 / max(limit["matmul"], limit["convolution"]) * 0.99
    )
    (trace,) = tmp_path.glob("logs/bench/*/trace.json")
    assert any(event.get("name") == "aten::conv2d" for event in json.loads(trace.read_text())["traceEvents"])
    assert len(found["operators"]) == 10
    assert "share" in found["out"]


@pytest.mark.slow  # memory is measured in a process of its own; test_another_system stylizes too
def test_stylizing_and_loading(tmp_path: Path) -> None:
    rows = _bench(
        tmp_path, "bench=stylize", "stylize_sizes=[48]", "memory=true", "compile=[false]"
    )["rows"]  # fmt: skip
    assert [row["stage"] for row in rows] == ["stylize", "stylize, style cached"]
    if sys.platform == "linux":
        assert all(row["peak_mib"] > 10 for row in rows)  # the weights alone are 27 MiB


def test_another_system(tmp_path: Path) -> None:
    rows = _bench(
        tmp_path, "bench=stylize", "model=gatys", "gatys_iterations=300", "stylize_sizes=[32]"
    )["rows"]  # fmt: skip
    assert [row["stage"] for row in rows] == ["encode style", "stylize, style cached"]
    assert rows[0]["contestant"] == "gatys (300 iterations, 3 done)"
    assert rows[1]["median_s"] > 20 * rows[0]["median_s"]  # 300 passes there and back against one there
    assert all(row["floor_s"] is None for row in rows)


def test_loading_is_measured_beside_the_plain_transform(tmp_path: Path) -> None:
    rows = _bench(
        tmp_path, "bench=load", "pictures=2", "crop=32", "resize=64", "workers=1", "wandb=true"
    )["rows"]  # fmt: skip
    assert [row["stage"] for row in rows] == ["load", "load", "a pair, loader alone", "waiting in a step"]
    assert rows[2]["per_second"] > 0
    assert 0 <= rows[3]["waited"] < 1
    assert list(tmp_path.glob("logs/bench/*/wandb/offline-run-*"))


@pytest.mark.slow
def test_the_training_loop_stands_beside_a_bare_one(tmp_path: Path) -> None:
    """80 steps of each; tests/evaluation/speed/test_loop.py has it faster."""
    rows = _bench(tmp_path, "bench=loop")["rows"]
    loops = ["bare loop", "make train", "make train above the bare loop", "Lightning alone above the bare loop"]
    assert [row["contestant"] for row in rows if row["stage"] == "a step"] == loops
    assert (next(tmp_path.glob("logs/bench/*/training")) / "summary.json").is_file()


def test_a_video_with_its_style_encoded_once_and_for_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    from adain.evaluation.speed.video import FRAMES
    from adain.inference.stylizer import Stylizer

    encoded, encode = [], Stylizer.encode_style

    def counted(stylizer: Stylizer, *given: Any) -> Any:
        encoded.append(given)
        return encode(stylizer, *given)

    monkeypatch.setattr(Stylizer, "encode_style", counted)
    found = _bench(tmp_path, "bench=video", "stylize_sizes=[48]")
    once, each, *stages = rows = found["rows"]
    assert [row["stage"] for row in stages] == ["decode", "stylize, style cached", "encode"]
    assert (once["stage"], each["stage"]) == ("whole, style encoded once", "whole, style for every frame")
    assert once["of_whole"] == 1
    assert all(row["per_second"] * row["median_s"] == pytest.approx(1) for row in rows)
    # to be kept; then in a warm-up and a round that counts: once, and for every frame
    assert sum(isinstance(given[0], torch.Tensor) for given in encoded) == 1 + 2 * (1 + FRAMES)
    assert "of whole" in found["out"]


def test_what_was_measured_is_shown_and_saved_where_a_later_part_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"work": "train", "size": 32, "batch": 1, "contestant": "ours", "stage": "step", **timings([2.0])}
    monkeypatch.setattr(speed, "measure_training", lambda *given: [row | {"per_second": 0.5}])
    monkeypatch.setattr(speed.Benchmark, "_rates", lambda *given: {})
    monkeypatch.setattr(speed.Benchmark, "_measure_work", lambda *given: None)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.jpg").touch()
    code, out, err = run_here("bench", tmp_path, "precisions=[32-true]", f"content={tmp_path}/photos")
    assert (code, err.splitlines()[-1]) == (
        1, f"error: the folder {tmp_path}/photos holds no picture that can be read: check the folder"
    )  # fmt: skip
    assert "2,000" in out
    (saved,) = tmp_path.glob("logs/bench/*/bench.json")
    assert json.loads(saved.read_text())["rows"][0]["median_s"] == 2.0


def test_loading_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    for name in ("b", "d", "e"):
        draw(tmp_path / f"{name}.png")
    (tmp_path / "a.png").touch()
    draw(tmp_path / "c.png", size=(2000, 18))  # over 64 times longer than wide
    assert [path.stem for path in readable(tmp_path, 2, 64)] == ["b", "d"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=gatys", "model=gatys works only with bench=stylize"),
        ("bench=fast", "bench=fast is not allowed"),
        ("reference=nowhere", "reference=nowhere has no net.py and no function.py: give a checkout"),
        ("sizes=[8]", "at least 16"),
        ("sizes=[]", "sizes=[] is too short: give at least 1"),
        ("precisions=[bf16]", "must be a list out of 32-true, bf16-mixed"),
        ("compile=maybe", "give a list of true or false"),
        ("memory_formats=[nhwc]", "must be a list out of channels_first, channels_last"),
        ("content=nowhere", "nowhere"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_measured(override: str, said: str, tmp_path: Path) -> None:
    code, _, err = run_here("bench", tmp_path, override)
    assert code == 1
    assert said in err
    assert not list(tmp_path.glob("logs/bench/*/bench.json"))
