"""What the page says of rows that were made up, by hand."""

from __future__ import annotations

from adain.evaluation.paper.tables import between, speed_table


def _loss(method: str, iteration: int | None, style: float) -> dict[str, object]:
    return {"method": method, "iteration": iteration, "style_loss_mean": style}


def test_between_which_iterations_adain_lies() -> None:
    gatys = [_loss("gatys", step, value) for step, value in ((0, 9.0), (50, 3.0), (100, 1.0)) for _ in range(2)]
    assert "between 50 and 100 iterations (3 and 1)" in str(between([*gatys, _loss("adain", None, 2.0)]))
    assert "lower than what Gatys et al. reach in 100" in str(between([*gatys, _loss("adain", None, 0.5)]))
    assert "is not below that of the content" in str(between([*gatys, _loss("adain", None, 10.0)]))
    assert between(gatys) is None


def test_the_speed_table_shows_both_columns_beside_the_paper() -> None:
    row: dict[str, object] = {
        "method": "gatys", "size": 256, "rounds": 5, "gatys_iterations": 500, "gatys_done": 3, "peak_mib": 1234.5,
        "without_s": 400.0, "without_s_q1": 390.0, "without_s_q3": 410.0,
        "with_s": 401.0, "with_s_q1": 391.0, "with_s_q3": 411.0,
        "without_times_adain": 800.0, "without_times_adain_q1": 790.0, "without_times_adain_q3": 810.0,
        "with_times_adain": 500.0, "with_times_adain_q1": 490.0, "with_times_adain_q3": 510.0,
        "without_paper_s": 14.17, "with_paper_s": 14.19, "without_paper_times_adain": 787.2, "with_paper_times_adain": 525.6,
    }  # fmt: skip
    text = "\n".join(speed_table([row], {"speed": {"gatys_done": 3}}))
    assert "3 of 500 iterations done, the others extrapolated" in text
    assert "400 [390-410] (401 [391-411])" in text
    assert "800 [790-810] (500 [490-510])" in text
    assert "14.2 (14.2) | 787 (526)" in text
    assert "1,234" in text
