"""``make compare`` from end to end at 64 px, in this process: some networks given, two trained."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.networks import saved
from tests.helpers.pictures import draw_folders
from tests.helpers.runners import run_here

pytest.importorskip("matplotlib")

SMALL = [
    "content=content", "style=style", "out=out", "device=cpu", "sizes=[32]", "repeats=1", "memory=false",
    "speed.gatys_iterations=6", "losses.size=32", "losses.styles=1", "losses.contents=2", "losses.iterations=[1,2]",
    "pictures.size=32", "pictures.rows=1", "ablations.size=32", "ablations.styles=2", "ablations.contents=1",
    "ablations.rows=1", "gatys.iterations=2", "steps.texture_network=1", "steps.ablations=2", "start_pictures=2",
    "start_patches=500",
    *(f"checkpoints.{name}={name}/best.ckpt" for name in ("style_swap", "concat", "bn_decoder", "in_decoder")),
    "training=[trainer.precision=32-true,data=synthetic,data.crop=32,data.resize=32,data.val_pairs=1,data.val_size=32,"
    "data.num_workers=0,data.count=8]",
]  # fmt: skip


def compare(cwd: Path, *overrides: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    return run_here("compare", cwd, *overrides, together=True)[:2]


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_folders(tmp_path_factory.mktemp("compare"))
    for name in ("style_swap", "concat", "bn_decoder", "in_decoder"):
        (root / name).mkdir()
        saved(name, root / name)
    return root


@pytest.fixture(scope="module")
def done(cwd: Path) -> SimpleNamespace:
    code, text = compare(cwd, *SMALL)
    assert code == 0, text
    return SimpleNamespace(out=cwd / "out", text=text)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_speed_table(done: SimpleNamespace) -> None:
    rows = {row["method"]: row for row in _read(done.out / "speed.csv")}
    assert set(rows) == {"adain", "gatys", "texture_network", "style_swap"}
    assert float(rows["adain"]["without_times_adain"]) == 1
    assert rows["texture_network"]["with_s"] == ""
    assert all(float(row["with_s"]) > 0 for name, row in rows.items() if name != "texture_network")
    ratio = float(rows["gatys"]["without_s"]) / float(rows["adain"]["without_s"])
    assert float(rows["gatys"]["without_times_adain"]) == pytest.approx(ratio)  # of one round
    assert rows["gatys"]["gatys_iterations"] == "6"


def test_the_figure_of_losses(done: SimpleNamespace) -> None:
    rows = _read(done.out / "losses.csv")
    assert len([r for r in rows if r["method"] == "gatys"]) == 2 * 3  # two contents; before, after 1 and after 2
    for name in ("adain", "texture_network", "style_swap"):
        assert len([r for r in rows if r["method"] == name]) == 2
    start = [float(r["content_feature_loss"]) for r in rows if r["iteration"] == "0"]
    assert np.allclose(start, 0, atol=1e-6)  # it starts from the content
    for content in ("c0.png", "c1.png"):
        own = {
            r["iteration"]: float(r["style_loss_mean"])
            for r in rows
            if r["content"] == content and r["method"] == "gatys"
        }
        assert own["2"] < own["0"]


def test_pictures_page_and_what_was_reduced(done: SimpleNamespace) -> None:
    page = (done.out / "compare.md").read_text()
    for name in ("losses", "pictures", "ablations", "training"):
        assert (done.out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in page
    assert "3 of 6 iterations done" in page
    assert "trained here: 1 steps of batch 1 at 32 px, a network for each style" in page
    assert "trained here: 2 steps of batch 2 at 32 px, from a least-squares start" in page
    assert "given checkpoint" in page
    assert "contents x styles = 2 x 1 (paper: 50 x 10)" in page
    assert {row["method"] for row in _read(done.out / "ablations.csv")} == {
        "baseline",
        "concat",
        "bn_decoder",
        "in_decoder",
    }
    assert "make stylize" not in done.text  # the trainings' own advice goes to their logs


def test_goes_on_where_it_was_cut_off(done: SimpleNamespace, cwd: Path) -> None:
    speed, losses = (done.out / "speed.jsonl").read_text(), (done.out / "losses.jsonl").read_text()
    lines = losses.splitlines(keepends=True)
    swap = [line for line in lines if json.loads(line)["method"] == "style_swap"]
    others = [line for line in lines if line not in swap]
    (done.out / "losses.jsonl").write_text("".join([*others, swap[0], swap[1][:30]]))
    (done.out / "outputs" / "pair_0_adain.png").unlink()
    trained = {path: path.stat().st_mtime_ns for path in done.out.glob("trained/*_*/checkpoints/last.ckpt")}
    trained |= {path: path.stat().st_mtime_ns for path in done.out.glob("trained/baseline/checkpoints/last.ckpt")}
    assert len(trained) == 2
    code, text = compare(cwd, *SMALL)
    assert code == 0, text
    assert (done.out / "speed.jsonl").read_text() == speed  # not timed anew
    assert {path: path.stat().st_mtime_ns for path in trained} == trained  # nor trained anew
    again = [json.loads(line) for line in (done.out / "losses.jsonl").read_text().splitlines()]
    before = [json.loads(line) for line in [*others, *swap]]
    assert again[:-1] == before[:-1]
    assert again[-1]["style_loss_mean"] == pytest.approx(before[-1]["style_loss_mean"], rel=1e-4)
    assert (done.out / "outputs" / "pair_0_adain.png").exists()


def test_changed_settings_are_refused_and_nothing_is_lost(done: SimpleNamespace, cwd: Path) -> None:
    before = (done.out / "losses.csv").read_text()
    code, text = compare(cwd, *SMALL, "gatys.iterations=3")
    assert code == 1
    assert "holds a comparison with gatys=" in text
    assert (done.out / "losses.csv").read_text() == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training=[data.corp=3]"],
            "training=[data.corp=3] cannot be used for texture_network: unknown key data.corp",
        ),
        (["parts=[ablations]", "training=[data.crop=3]"], "cannot be used for baseline: data.crop=3 is too small"),
        (["device=cuda:99"], "device=cuda:99 is not there"),
        (["checkpoints.adain=broken.ckpt"], "broken.ckpt"),
        (["out=/proc/x"], "out=/proc/x cannot be written"),
    ],
)
def test_what_is_cheap_to_know_is_told_before_all_pictures_are_read(
    cwd: Path, overrides: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("adain.evaluation.run.check_readable", read)
    (cwd / "broken.ckpt").write_bytes(b"broken")
    code, text = compare(cwd, *SMALL, "out=never", *overrides)
    assert code == 1
    assert message in text
    assert text.count("\n") == 1
    assert not (cwd / "never").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["parts=[sped]"], "parts=[sped] must be a list out of speed, losses"),
        (["sizes=[16]"], "sizes=[16] must be whole numbers of at least 32"),
        (["losses.iterations=[0]"], "losses.iterations=[0] must be whole numbers of at least 1"),
        (["checkpoints.style_swap=none.ckpt"], "checkpoints.style_swap=none.ckpt is neither a file"),
        (["checkpoints.adain=null"], "checkpoints.adain=null cannot be used"),
        (["losses.styles=3"], "losses.styles=3 is too many: there are 2"),
        (["style=null"], "content is given without style"),
        (["speed.gatys_done=9"], "speed.gatys_done=9 is more than"),
        (["checkpoints.texture_network=style_swap/best.ckpt"], "was trained for no style, which is none of"),
        (["size=64"], "unknown key size"),
    ],
)
def test_mistakes(cwd: Path, overrides: list[str], message: str) -> None:
    code, text = compare(cwd, *SMALL, "out=never", *overrides)
    assert code == 1
    assert message in text
    assert not (cwd / "never").exists()
