"""The published rows beside ours."""

from __future__ import annotations

from adain.evaluation.benchmark import PUBLISHED, published_rows, table

TERMS = {"of": "adain x", "size": 512, "protocol": "styleid"}


def test_artfid_is_made_of_the_published_lpips_and_fid() -> None:
    """A misprinted figure would break the formula; papers round to three digits."""
    for row in PUBLISHED["styleid800"]:
        assert abs((1 + row.lpips) * (1 + row.fid) - row.artfid) < 0.02, row.system


def test_ours_comes_first_and_names_what_is_missing() -> None:
    rows = published_rows("styleid800", TERMS, 800, {"lpips": {"mean": 0.5}})
    assert rows[0] == {
        "system": "adain x (here)", "artfid": None, "fid": None, "lpips": 0.5, "cfsd": None, "source": "this evaluation"
    }  # fmt: skip
    lines = table(rows).splitlines()
    assert lines[1].split()[-6:] == ["missing", "missing", "0.500", "missing", "this", "evaluation"]
    assert [line.split()[0] for line in lines[2:]] == ["AdaIN", "StyTr2", "AesPA-Net", "StyleID", "AttenST"]


def test_other_pairs_sizes_and_protocols_are_not_compared() -> None:
    rows = published_rows("styleid800", {**TERMS, "protocol": "ours"}, 40, {})
    assert rows[0]["source"] == (
        "this evaluation, not comparable: pairs=40 instead of 800, protocol=ours instead of styleid"
    )
    assert "size=256 instead of 512" in published_rows("styleid800", {**TERMS, "size": 256}, 800, {})[0]["source"]
