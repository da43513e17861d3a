"""The comparison's figures."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="needs the extra `compare`")

from adain.evaluation.paper.figures import _limits


@pytest.mark.parametrize(("smallest", "low"), [(0.5, 0.5 / 1.5), (1e-5, 3 / 300 / 1.5)])
def test_one_value_near_zero_does_not_squeeze_the_axis(smallest: float, low: float) -> None:
    rows = [
        {"method": "gatys", "iteration": step, "style_loss": value} for step, value in enumerate((smallest, 1.0, 3.0))
    ]
    assert _limits(rows, "style_loss") == pytest.approx((low, 4.5))
