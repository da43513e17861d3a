"""Which pairs the page shows, and in which order."""

from __future__ import annotations

from adain.evaluation.page import chosen

ROWS = [{"index": i, "loss": float(v)} for i, v in enumerate([5, 1, 9, 3, 7, 2, 8])]


def values(count: int, higher: bool = False) -> list[tuple[str, float]]:
    return [(kind, row["loss"]) for kind, row in chosen(ROWS, "loss", higher, count)]


def test_worst_then_best_then_between() -> None:
    assert values(6) == [("worst", 9), ("worst", 8), ("best", 1), ("best", 2), ("between", 7), ("between", 3)]
    assert values(2) == [("worst", 9), ("best", 1)]


def test_direction_and_all() -> None:
    assert values(3, higher=True)[0] == ("worst", 1)
    assert sorted(v for _, v in values(60)) == sorted(row["loss"] for row in ROWS)
