"""``make compare scale=smoke`` from end to end, in this process: some networks given, the others trained."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adain.cli.compare_training import Trainings
from adain.cli.plain import plain_values
from adain.cli.preflight.compose import compose_config
from adain.evaluation.paper.request import read_request
from tests.helpers.networks import saved
from tests.helpers.pictures import draw_folders
from tests.helpers.runners import run_here

pytest.importorskip("matplotlib")

SMALL = [
    "scale=smoke", "content=content", "style=style", "out=out", "device=cpu", "speed.gatys_iterations=6",
    *(f"checkpoints.{name}={name}/best.ckpt" for name in ("style_swap", "concat", "bn_decoder", "in_decoder")),
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
    for name in (
        "losses", "pictures", "normalization", "ablations", "training", "alpha", "strength", "interpolation", "color", "regions"
    ):  # fmt: skip
        assert (done.out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in page
    assert "3 of 6 iterations done" in page
    assert "trained here: 1 steps of batch 1 at 32 px, a network for each style" in page
    assert "trained here: 2 steps of batch 2 at 32 px" in page
    assert "not measured yet" not in page
    assert "Dumoulin" in page
    assert "given checkpoint" in page
    assert "contents x styles = 2 x 1 (paper: 50 x 10)" in page
    assert {row["method"] for row in _read(done.out / "ablations.csv")} == {
        "baseline",
        "concat",
        "bn_decoder",
        "in_decoder",
    }
    assert "make stylize" not in done.text  # the trainings' own advice goes to their logs


def test_where_the_time_of_adain_goes(done: SimpleNamespace) -> None:
    rows = {row["stage"]: float(row["share"]) for row in _read(done.out / "split.csv")}
    assert list(rows) == ["encode content", "encode style", "AdaIN, decode"]
    assert sum(rows.values()) == pytest.approx(1)  # of one round


def test_instance_and_batch_normalization_on_three_versions_of_the_pictures(done: SimpleNamespace) -> None:
    rows = {row["version"]: row for row in _read(done.out / "normalization.csv")}
    assert set(rows) == {"original", "contrast", "style"}
    assert len({row["batch"] for row in rows.values()}) == 3  # each was trained on pictures of its own
    for norm, kind in (("instance", False), ("batch", True)):
        state = torch.load(done.out / "trained" / f"{norm}_style" / "checkpoints" / "last.ckpt", weights_only=True)
        assert any("running_mean" in key for key in state["state_dict"]) == kind
        assert state["hyper_parameters"]["color_start"] is False


def test_what_the_controls_do(done: SimpleNamespace) -> None:
    """By the published decoder, on pictures so small that only the coarsest of it can be asked for."""
    alpha = _read(done.out / "alpha.csv")
    pixels = {row["alpha"]: float(row["pixel_error"]) for row in alpha if row["style"] == "s0.png"}
    assert pixels["0"] < pixels["1"]
    assert {row["style_weight"] for row in _read(done.out / "style_weight.csv")} == {"10"}
    assert {row["weight"] for row in _read(done.out / "interpolation.csv")} == {"0", "1"}
    assert {row["region"] for row in _read(done.out / "regions.csv")} == {"left", "right"}
    colors = {row["control"]: float(row["color_to_content"]) for row in _read(done.out / "color.csv")}
    assert colors["luminance"] < colors["none"]


def test_goes_on_where_it_was_cut_off(done: SimpleNamespace, cwd: Path) -> None:
    speed, losses = (done.out / "speed.jsonl").read_text(), (done.out / "losses.jsonl").read_text()
    lines = losses.splitlines(keepends=True)
    swap = [line for line in lines if json.loads(line)["method"] == "style_swap"]
    others = [line for line in lines if line not in swap]
    (done.out / "losses.jsonl").write_text("".join([*others, swap[0], swap[1][:30]]))
    (done.out / "outputs" / "pair_0_adain.png").unlink()
    trained = {path: path.stat().st_mtime_ns for path in done.out.glob("trained/*_*/checkpoints/last.ckpt")}
    trained |= {path: path.stat().st_mtime_ns for path in done.out.glob("trained/baseline/checkpoints/last.ckpt")}
    assert len(trained) == 1 + 6 + 1 + 1  # a texture network, those of figure 1, of one lambda, the baseline
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
            "training=[data.corp=3] cannot be used for texture_network_0: unknown key data.corp",
        ),
        (["parts=[ablations]", "training=[data.crop=3]"], "cannot be used for baseline: data.crop=3 is too small"),
        (
            ["parts=[normalization]", "recipes.normalization=[data.crop=3]"],
            "recipes.normalization=[data.crop=3] cannot be used for instance_original: data.crop=3 is too small",
        ),
        (["device=cuda:99"], "device=cuda:99 does not exist"),
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


@pytest.mark.slow  # a configuration for every kind of network
@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_the_recipes_of_a_scale_can_be_trained(cwd: Path, scale: str) -> None:
    """Those of smoke are trained above."""
    pytest.importorskip("datasets", reason="scale=paper needs the extra `hub`")
    given = [f"scale={scale}", f"content={cwd / 'content'}", f"style={cwd / 'style'}"]
    given += [f"{part}.{kind}=1" for part in ("losses", "ablations", "controls") for kind in ("contents", "styles")]
    keys = plain_values(compose_config("compare", given))
    missing = read_request(keys).missing
    assert {training.kind for training in missing} == set(keys["recipes"])
    for training in missing:
        Trainings(keys, "cpu").check(training, cwd / "never")
