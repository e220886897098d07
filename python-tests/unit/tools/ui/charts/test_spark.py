"""The small chart of a task's durations."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.charts.spark import spark


def test_the_oldest_is_at_the_left_and_the_longest_at_the_top() -> None:
    found = spark([4.0, 2.0])
    assert found is not None
    assert found.line == "0.0,9.0 92.0,2.0"
    assert found.area == "0.0,9.0 92.0,2.0 92.0,2.0 0.0,9.0"


def test_many_runs_are_ten_points_with_the_slow_ones_above_the_middle() -> None:
    found = spark([1.0, 10.0] * 50)
    assert found is not None
    assert found.line.split()[0] == "0.0,14.6"
    assert found.area.split()[-1] == "0.0,2.0"
    assert len(found.line.split()) == 10


@each_row("seconds", [[], [1.0], [None, 2.0, None]])
def test_fewer_than_two_durations_are_no_chart(seconds: list[float | None]) -> None:
    assert spark(seconds) is None


def test_no_time_at_all_is_a_line_at_the_bottom() -> None:
    found = spark([0.0, 0.0])
    assert found is not None
    assert found.line == "0.0,16.0 92.0,16.0"
