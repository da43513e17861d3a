"""``make evaluate`` from end to end on small pictures, in this process."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from adain.evaluation import run
from adain.metrics import pairwise
from adain.nn.decoder import load_decoder
from adain.runtime.errors import UserError
from adain.runtime.schema import HIGHER_IS_BETTER
from tests.helpers.forked import Forked
from tests.helpers.pictures import draw, draw_folders
from tests.helpers.runners import run_here

METRICS = "metrics=[content_loss,style_loss_mean,ssim,frechet_vgg19,artfid]"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folders(tmp_path_factory.mktemp("evaluate"))


def evaluate(cwd: Path, *overrides: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    return run_here("evaluate", cwd, *overrides, together=True)[:2]


ALL = ["content=content", "style=style", "size=48", "decoder=reference", METRICS]


@pytest.fixture(scope="module")
def first(folders: Path) -> tuple[Path, str]:
    code, text = evaluate(folders, *ALL, "out=first", "save_outputs=true")
    assert code == 0, text
    return folders / "first", text


def test_writes_what_it_says(first: tuple[Path, str]) -> None:
    folder, text = first
    with (folder / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    results = json.loads((folder / "results.json").read_text())
    assert len(rows) == results["pairs"] == 6
    for name in ("content_loss", "style_loss_mean", "ssim"):
        found = results["metrics"][name]
        assert found["mean"] == pytest.approx(np.mean([float(row[name]) for row in rows]))
        assert found["low"] <= found["mean"] <= found["high"]
        assert found["higher_is_better"] == (name == "ssim")
    assert results["metrics"]["frechet_vgg19"]["mean"] > 0
    assert "rank-deficient" in results["notes"][0]
    assert "lpips and fid cannot be measured" in results["left_out"]["artfid"]
    assert "artfid" in text
    assert len(list((folder / "outputs").iterdir())) == 6
    page = (folder / "index.html").read_text()
    assert page.count("<tr><td>worst") == 2
    assert "http" not in page.replace("https://github.com", "")  # nothing is loaded from elsewhere


def test_goes_on_where_it_was_cut_off(first: tuple[Path, str], folders: Path) -> None:
    folder, _ = first
    whole = (folder / "rows-0.jsonl").read_text()
    results = json.loads((folder / "results.json").read_text())
    lines = whole.splitlines(keepends=True)
    (folder / "rows-0.jsonl").write_text("".join(lines[:3]) + lines[3][:20])  # three pairs, and one cut short
    code, text = evaluate(folders, *ALL, "out=first", "save_outputs=true")
    assert code == 0, text
    assert "3 of 6 pairs are there already" in text
    again = json.loads((folder / "results.json").read_text())
    for name, found in results["metrics"].items():
        assert again["metrics"][name]["mean"] == pytest.approx(found["mean"], rel=1e-4)


def test_outputs_asked_for_later_are_all_written(first: tuple[Path, str], folders: Path) -> None:
    outputs = first[0] / "outputs"
    before = sorted(path.name for path in outputs.iterdir())
    distance = json.loads((first[0] / "results.json").read_text())["metrics"]["frechet_vgg19"]["mean"]
    (outputs / before[0]).unlink()
    code, text = evaluate(folders, *ALL, "out=first", "save_outputs=true")
    assert code == 0, text
    assert sorted(path.name for path in outputs.iterdir()) == before
    again = json.loads((first[0] / "results.json").read_text())
    assert again["pairs"] == 6
    assert again["metrics"]["frechet_vgg19"]["mean"] == pytest.approx(distance, rel=1e-4)


def test_outputs_that_would_share_a_name_are_refused(folders: Path) -> None:
    for name in ("one", "two"):
        draw(folders / "twins" / name / "a.png")
    code, text = evaluate(folders, "content=twins", "style=style", "save_outputs=true", "out=twice")
    assert code == 1
    assert "two pairs share the output name a_s0.png" in text
    assert not (folders / "twice").exists()


def test_other_settings_are_refused_and_nothing_is_lost(first: tuple[Path, str], folders: Path) -> None:
    before = (first[0] / "pairs.csv").read_text()
    code, text = evaluate(folders, *ALL, "out=first", "alpha=0.5")
    assert code == 1
    assert "holds an evaluation with alpha=1.0, but alpha=0.5 is asked for" in text
    assert (first[0] / "pairs.csv").read_text() == before


def test_an_evaluation_of_another_size_is_told_before_anything_is_measured(
    first: tuple[Path, str], folders: Path
) -> None:
    code, text = evaluate(folders, *ALL, "size=64", "out=larger", f"against={first[0]}")
    assert code == 1
    assert f"size=64 and {first[0]} with size=48: evaluate both with the same" in text
    assert not (folders / "larger").exists()


def test_finished_outputs_give_the_figures_of_their_decoder(first: tuple[Path, str], folders: Path) -> None:
    code, text = evaluate(folders, *ALL[:3], METRICS, "crop=true", "outputs=first/outputs", "out=theirs")
    assert code == 1  # squares, where the contents are not
    assert "give outputs of the whole content picture" in text
    code, text = evaluate(folders, *ALL, "crop=false", "out=whole", "save_outputs=true")
    assert code == 0, text
    code, text = evaluate(folders, *ALL, "crop=false", "outputs=whole/outputs", "out=theirs", "against=whole")
    assert code == 0, text
    comparison = json.loads((folders / "theirs" / "comparison.json").read_text())
    assert (comparison["first"], comparison["second"]) == ("theirs", "whole")
    found = comparison["metrics"]
    assert found["ssim"]["first"] == pytest.approx(found["ssim"]["second"], abs=1e-3)  # but for 8 bits
    assert found["content_loss"]["first"] == pytest.approx(found["content_loss"]["second"], rel=0.02)


def test_alpha_compared_pair_by_pair(first: tuple[Path, str], folders: Path) -> None:
    code, text = evaluate(folders, *ALL, "alpha=0", "out=content_only")
    assert code == 0, text
    code, text = evaluate(folders, "compare=[first,content_only]", "out=first/index.html/both")
    assert (code, text.count("\n")) == (1, 1)
    assert "out=first/index.html/both cannot be written" in text
    code, text = evaluate(folders, "compare=[first,content_only]", "out=both")
    assert code == 0, text
    found = json.loads((folders / "both" / "comparison.json").read_text())
    assert found["pairs"] == 6
    entry = found["metrics"]["style_loss_mean"]
    assert entry["difference"] == pytest.approx(entry["first"] - entry["second"])
    assert entry["difference"] < 0  # the style is nearer with the style than without
    assert entry["first_better_on"] == 6
    assert found["metrics"]["ssim"]["difference"] < 0
    assert "style_loss_mean" in (folders / "both" / "comparison.csv").read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["content=content"], "content is given without style"),
        (["content=content", "style=style", "pairing=zip"], "there are 3 and 2"),
        (["content=nowhere", "style=style"], "nowhere does not exist"),
        (["content=content", "style=style", "decoder=none.ckpt"], "decoder=none.ckpt is neither"),
        (["content=content", "style=style", "outputs=content"], "lacks 6 of 6 outputs: c0_s0.png"),
        (["metrics=[lpip]"], "metrics=lpip is not allowed"),
        (["pairs=0"], "pairs=0 is too small"),
        (["pairs=none.csv"], "neither a number nor an existing file"),
        (["compare=[content,style]"], "is not a folder of an evaluation"),
        (["size=8"], "size=8 is too small"),
        (["sizes=8"], "unknown key sizes"),
        (["page_order=abc"], "page_order=abc is not allowed; choose one of content_loss"),
        (["page_order=fid"], "page_order=fid is not allowed"),
        (
            ["weights.lpips_alexnet=/no/such"],
            "weights.lpips_alexnet=/no/such is not an existing file: give the path of",
        ),
    ],
)
def test_mistakes(folders: Path, overrides: list[str], message: str) -> None:
    code, text = evaluate(folders, *overrides)
    assert code == 1
    assert message in text
    assert text.count("\n") <= 2


def test_an_unreadable_picture_is_found_before_work_begins(folders: Path) -> None:
    (folders / "broken").mkdir(exist_ok=True)
    (folders / "broken" / "x.png").write_bytes((folders / "content" / "c0.png").read_bytes()[:200])
    code, text = evaluate(folders, "content=broken", "style=style", "decoder=reference", "out=never")
    assert code == 1
    assert "broken/x.png (image file is truncated) cannot be used" in text
    assert not (folders / "never").exists()


def write_decoder(path: Path) -> None:
    torch.save(load_decoder("reference").decoder.state_dict(), path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["decoder=plain.pth", "model=style_swap"], "plain.pth is not a checkpoint of style_swap"),
        (["decoder=broken.ckpt"], "broken.ckpt"),
        (["decoder=reference", "against=broken.ckpt"], "broken.ckpt"),
        (["decoder=reference", "device=cuda:99"], "device=cuda:99 does not exist"),
        (["weights.art_inception=gone.pth"], "weights.art_inception=gone.pth is not an existing file"),
        (["decoder=reference", "out=/proc/x"], "out=/proc/x cannot be written"),
        (["decoder=reference", "weights.lpips_alexnet=plain.pth"], "plain.pth is not the published lpips_alexnet"),
    ],
)
def test_what_is_cheap_to_know_is_told_before_all_pictures_are_read(
    folders: Path, overrides: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(run, "check_readable", read)
    write_decoder(folders / "plain.pth")
    (folders / "broken.ckpt").write_bytes(b"broken")
    code, text = evaluate(folders, "content=content", "style=style", *overrides)
    assert code == 1
    assert message in text
    assert text.count("\n") == 1


def test_a_decoder_below_the_home_folder(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folders))
    write_decoder(folders / "d.pth")
    code, text = evaluate(folders, *ALL[:3], "pairs=1", "metrics=[ssim]", "decoder=~/d.pth", "out=home")
    assert code == 0, text


def test_without_any_figure_of_pairs_there_is_a_page_too(folders: Path) -> None:
    code, text = evaluate(folders, *ALL[:4], "metrics=[frechet_vgg19]", "out=sets")
    assert code == 0, text
    assert "6 of 6: no figure of pairs was measured" in (folders / "sets" / "index.html").read_text()


def test_a_benchmark_stands_beside_the_published_rows(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other, smaller pictures in its place; with losses of a paper and a moving view, for the whole way through."""
    known = {}
    for kind, count in (("cnt", 1), ("sty", 2)):
        for number in range(count):
            draw(folders / "bench" / kind / f"0{number}.png", 10 * count + number, (72, 72))
            path = folders / "bench" / kind / f"0{number}.png"
            known[f"{kind}/0{number}.png"] = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr("adain.data.benchmark.digests", lambda name: known)
    given = ["benchmark=styleid800", "benchmark.pictures=bench", "decoder=reference", "precision=32-true", "size=72"]
    code, text = evaluate(folders, *given, "metrics=[ssim,fid]", "losses=port", "motion=pan", "out=styleid")
    assert code == 0, text
    results = json.loads((folders / "styleid" / "results.json").read_text())
    assert results["protocol"] == "styleid"
    assert results["pairs"] == 2
    assert {"ssim", "content_loss_port", "style_loss_port", "flicker_pan", "warping_pan"} == set(results["metrics"])
    controls = results["metrics"]["ssim"]["controls"]
    assert controls["content"] == pytest.approx(1, abs=1e-4)
    assert controls["style"] < 1
    assert results["metrics"]["warping_pan"]["controls"]["content"] < 1e-3  # whole pixels
    page = (folders / "styleid" / "index.html").read_text()
    for said in (text, page):
        assert "30.933" in said
        assert "StyTr2" in said
        assert "missing" in said  # ours
        assert "weights.art_inception=FILE" in said
        assert "he unchanged content wins ssim" in said
        assert "protocol: styleid" in said
    assert "unbiased std" in page  # the convention of losses=port


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["content=content", "style=style"], "benchmark=styleid800 has its own contents and styles"),
        (["benchmark.pictures=content"], "content lacks cnt/00.png of styleid800: get it from https://raw"),
        (["losses=gatys"], "losses=[gatys] is not allowed: input should be 'ours', 'port', 'lua' or 'stytr2'"),
        (["motion=zoom"], "motion=[zoom] is not allowed: input should be 'pan' or 'rotation'"),
        (["protocol=theirs"], "protocol=theirs is not allowed; choose one of ours, styleid"),
    ],
)
def test_mistakes_about_benchmarks(folders: Path, overrides: list[str], message: str) -> None:
    code, text = evaluate(folders, "benchmark=styleid800", "decoder=shipped", *overrides)
    assert code == 1
    assert message in text
    assert text.count("\n") <= 2


def test_nothing_to_measure_is_a_mistake(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UserError("no network")

    monkeypatch.setattr("adain.metrics.lpips.find", refuse)
    code, text = evaluate(folders, *ALL[:4], "metrics=[lpips]", "out=none")
    assert code == 1
    assert "none of the metrics can be measured: no network" in text
    assert not (folders / "none").exists()


def test_directions_agree_with_the_classes() -> None:
    classes = [v for v in vars(pairwise).values() if isinstance(v, type) and issubclass(v, pairwise.PairMetric)]
    higher = {c.__name__.lower() for c in classes if getattr(c, "higher_is_better", None)}
    assert higher == set(HIGHER_IS_BETTER)


def test_another_system_by_its_name(folders: Path) -> None:
    code, text = evaluate(
        folders, *ALL[:3], "metrics=[ssim]", "model=gatys", "decoder=null", "model.iterations=1", "out=pixels"
    )  # fmt: skip
    assert code == 0, text
    assert json.loads((folders / "pixels" / "results.json").read_text())["of"] == "gatys"


def test_the_words_for_decoders_are_those_of_stylize(folders: Path) -> None:
    small = ["content=content", "style=style", "size=48", "pairs=1", "metrics=[ssim]"]
    code, text = evaluate(folders, *small, "decoder=shipped")
    assert code == 0
    assert "adain shipped" in text
    for given, said in (
        (
            ["decoder=gone.pth"],
            "decoder=gone.pth is neither auto, latest, best, shipped, reference nor an existing file",
        ),
        (["decoder=shipped", "against=gone.pth"], "gone.pth"),
        (["model=style_swap", "decoder=shipped"], "decoder=shipped is AdaIN's: give model=style_swap latest"),
    ):
        code, text = evaluate(folders, *small, *given)
        assert code == 1
        assert said in text
        assert "Traceback" not in text


def rows_of(folder: Path) -> list[str]:
    return [line for path in folder.glob("rows-*.jsonl") for line in path.read_text().splitlines()]


INTERRUPTED = """
import os, signal
from adain.cli import evaluate
from adain.methods.gatys import Gatys
stylize, calls = Gatys.stylize, iter(range(2))
def stopped(*given, **options):
    if next(calls, None) is None:
        os.killpg(0, signal.SIGINT)
    return stylize(*given, **options)
Gatys.stylize = stopped
evaluate.main()
"""


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(folders: Path) -> None:
    """As a terminal sends it: to the whole process group, while the third pair is made."""
    words = [*ALL[:3], METRICS, "model=gatys", "decoder=null", "model.iterations=1", "batch_size=1", "out=cut"]
    process = Forked(["-c", INTERRUPTED, *words], folders)
    assert process.wait() == 130, process.err
    assert "Traceback" not in process.err
    kept = rows_of(folders / "cut")
    assert len(kept) == 2
    assert b"2 of 6 pairs are kept in cut" in process.out

    code, text = evaluate(folders, *words)
    assert code == 0, text
    assert "2 of 6 pairs are there already" in text
    again = rows_of(folders / "cut")
    assert again[:2] == kept
    assert [json.loads(row)["index"] for row in again] == list(range(6))


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(first: tuple[Path, str], folders: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "adain.cli.evaluate", *ALL, "batch_size=1", "out=two", "against=first"],
        cwd=folders, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (folders / "two").glob("rows-*")} == {"rows-0.jsonl", "rows-1.jsonl"}
    one, two = (json.loads((folders / name / "results.json").read_text()) for name in ("first", "two"))
    assert two["pairs"] == one["pairs"] == 6
    assert set(two["metrics"]) == set(one["metrics"])
    for name, found in one["metrics"].items():
        assert two["metrics"][name]["mean"] == pytest.approx(found["mean"], rel=1e-4), name
    compared = json.loads((folders / "two" / "comparison.json").read_text())
    assert compared["pairs"] == 6
