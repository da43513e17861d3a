"""The speed table's figures, by systems that take the seconds that they are said to take."""

from __future__ import annotations

import pytest
import torch

from adain.evaluation.paper import speed
from adain.evaluation.speed.methods import ENCODE, KEPT
from tests.helpers.candidates import fixed

SECONDS = {
    "adain": {ENCODE: 1.0, KEPT: 2.0},
    "gatys": {ENCODE: 1.0, KEPT: 20.0},
    "style_swap": {ENCODE: 0.5, KEPT: 4.0},
    "texture_network": {KEPT: 1.0},
}


def test_both_columns_are_held_against_adains_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "build", lambda setting, device: fixed(SECONDS[setting.method]))
    rows = {row["method"]: row for row in speed.measure_speed(256, 2, (3, 500), False, torch.device("cpu"))}

    def column(name: str) -> list[float | None]:
        return [rows[method][name] for method in SECONDS]

    assert column("without_s") == [2.0, 20.0, 4.0, 1.0]
    assert column("with_s") == [3.0, 21.0, 4.5, None]
    assert column("without_times_adain") == [1.0, 10.0, 2.0, 0.5]
    assert column("with_times_adain") == [1.0, 7.0, 1.5, None]
    assert column("without_paper_s") == [0.018, 14.17, 0.171, 0.011]
    assert column("with_paper_s") == [0.027, 14.19, 0.407, None]
    assert column("without_paper_times_adain") == pytest.approx([1, 14.17 / 0.018, 0.171 / 0.018, 0.011 / 0.018])
    assert column("with_paper_times_adain")[:3] == pytest.approx([1, 14.19 / 0.027, 0.407 / 0.027])
    assert (rows["gatys"]["gatys_done"], rows["gatys"]["gatys_iterations"]) == (3, 500)
    assert column("gatys_iterations") == [None, 500, None, None]
