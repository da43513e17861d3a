"""What a bar prints where nobody watches it."""

from __future__ import annotations

import io

from adain.runtime.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log_of(count: int, total: int | None) -> list[str]:
    file = io.StringIO()
    with Bar(total=total, desc="clip.mp4", unit="frame", file=file, delay=0) as bar:
        for _ in range(count):
            bar.update()
            Bar.write("a result", file=file)
    assert "\r" not in file.getvalue()
    return [line for line in file.getvalue().splitlines() if line != "a result"]


def test_a_log_file_gets_a_line_for_each_tenth() -> None:
    lines = log_of(160, 160)
    assert [line.split(",")[0] for line in lines] == [f"clip.mp4: {percent} %" for percent in range(10, 100, 10)]
    assert lines[4].startswith("clip.mp4: 50 %, 80 of 160 frames, 00:0")
    assert lines[4].endswith(" left")


def test_few_steps_are_no_more_lines_than_steps() -> None:
    assert len(log_of(3, 3)) == 2


def test_an_unknown_total_is_counted_in_doublings() -> None:
    assert log_of(900, None) == [f"clip.mp4: {count} frames" for count in (100, 200, 400, 800)]


def test_work_of_a_moment_leaves_no_line() -> None:
    file = io.StringIO()
    with Bar(total=10, file=file, mininterval=0, leave=False) as bar:
        bar.update(9)
    assert file.getvalue() == ""


def test_a_terminal_gets_the_bar_with_the_time_left() -> None:
    terminal = Terminal()
    with Bar(total=10, file=terminal, mininterval=0, leave=False) as bar:
        bar.update(5)
    assert "50%" in terminal.getvalue()
    assert "<" in terminal.getvalue()  # passed < left


def test_a_bar_inside_another_leaves_a_log_file_to_it() -> None:
    file = io.StringIO()
    with Bar(total=2, unit="picture", file=file, delay=0) as outer:
        for _ in range(2):
            for _ in Bar(range(20), unit="tile", file=file, delay=0):
                pass
            outer.update()
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == ["50 %"]


def test_a_long_bar_inside_another_has_lines_of_its_own() -> None:
    file = io.StringIO()
    with Bar(total=2, unit="video", file=file, delay=0), Bar(total=4, file=file, delay=0, long=True) as inner:
        inner.update(2)
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == ["50 %"]
