"""Runs become shapes on one line of time, of which six parts of seven are past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

from tables import each_row

from cloaca_tools.ui.charts.lanes import (
    Chart,
    LaneChart,
    Shape,
    apart,
    chart,
    halves,
    histogram,
    part_of,
)
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.ui.words.texts import STATES
from cloaca_tools.views.workflows.activity import ActiveRun, Activity, Lane, Tick

NOW = datetime(2026, 11, 27, 8, 14, tzinfo=UTC)


def at(hours: float) -> str:
    """So many hours before now."""
    return (NOW - timedelta(hours=hours)).isoformat()


def run(status: str, begins: float, ends: float | None, waits: float | None = None) -> ActiveRun:
    return ActiveRun(
        "r",
        status,  # type: ignore[arg-type]  # a name of a state
        at(begins),
        None if status == "Pending" else at(begins),
        None if ends is None else at(ends),
        None if waits is None else at(waits),
    )


def lane(*runs: ActiveRun, name: str = "order", **fields: object) -> Lane:
    given = {
        "workflow_name": name,
        "workflow": f"public::embedded::{name}",
        "made": (len(runs),),
        "counted": 50,
        "is_busy": False,
        "runs": tuple(runs),
        "failures": (),
        **fields,
    }
    return Lane(**given)  # type: ignore[arg-type]  # the fields above, some of them others


def drawn(
    *lanes: Lane, hours: float = 6, zone: timezone = UTC, ticks: Sequence[Tick] = ()
) -> Chart:
    activity = Activity(
        at=at(0),
        since=at(hours),
        lanes=lanes,
        failing=(),
        all_failures=True,
        until=at(-hours / 6),
        ticks=tuple(ticks),
        next=(),
    )
    return chart(activity, Clock(zone, NOW).local, STATES, ["public::embedded::fails"])


def only(*runs: ActiveRun) -> LaneChart:
    return drawn(lane(*runs)).lanes[0]


def test_a_completed_run_is_a_bar_from_its_start_to_its_end() -> None:
    assert only(run("Completed", 3, 2)).shapes == (
        Shape("bar", "completed", 42.86, 14.28, "", "r"),
    )


def test_a_run_that_took_no_time_or_began_before_is_seen() -> None:
    assert only(run("Completed", 3, 3)).shapes[0].width == 0.45
    assert only(run("Completed", 30, 3)).shapes[0].x == 0


def test_a_run_that_goes_on_reaches_the_present() -> None:
    (shape,) = only(run("Running", 1.4, None)).shapes

    assert (shape.kind, shape.state) == ("bar", "running")
    assert round(shape.x + shape.width, 2) == drawn().now == 85.71


def test_a_wait_is_hatched_from_when_it_began() -> None:
    worked, waits = only(run("Waiting", 3.5, None, 2.8)).shapes

    assert (worked.kind, worked.state, worked.width) == ("bar", "completed", 10.0)
    assert (waits.kind, waits.x) == ("hatch", worked.x + worked.width)


def test_a_run_that_has_not_begun_is_queued() -> None:
    assert [shape.kind for shape in only(run("Pending", 1, None)).shapes] == ["queue"]


def test_failures_are_drawn_last() -> None:
    """So they lie on top, with a sign that has its own width."""
    shapes = only(run("Failed", 5, 4), run("Completed", 5, 3), run("Failed", 2, 2)).shapes

    assert [shape.kind for shape in shapes] == ["bar", "bar", "bad", "bad"]
    assert shapes[-1].width == 0


@each_row(
    ("spans", "expected"),
    [
        ([], []),
        ([(0, 1), (1, 2)], ["", ""]),
        ([(0, 5), (1, 2)], ["up", "low"]),
        # in the order of time, whatever the order they are given in
        ([(1, 2), (0, 5)], ["low", "up"]),
        ([(0, 5), (1, 2), (3, 4), (6, 7)], ["up", "low", "low", ""]),
        # three at once: the third lies on the one that ends first
        ([(0, 9), (1, 3), (2, 9)], ["up", "low", "low"]),
    ],
)
def test_runs_at_the_same_time_lie_in_halves(
    spans: list[tuple[float, float]], expected: list[str]
) -> None:
    assert halves(spans) == expected


def test_failures_of_many_runs_stand_on_top_apart_by_a_gap() -> None:
    made, failed = histogram((10, 5, 0), {0: 2, 2: 1})

    # 120 units for each part, of which 76 in a hundred are drawn
    assert made == "M14.4 30v-16h91.2v16zM134.4 30v-10h91.2v10z"
    assert failed == "M14.4 12.5v-4h91.2v4zM254.4 30v-3h91.2v3z"


def test_a_histogram_of_nothing_is_empty() -> None:
    assert histogram((), {}) == histogram((0, 0), {}) == ("", "")


def test_few_failures_are_as_tall_as_three_units_and_many_bounded() -> None:
    assert "v-3h" in histogram((1000,), {0: 1})[1]
    assert "v-8h" in histogram((1000,), {0: 999})[1]


@each_row(("x", "expected"), [(0, 0), (42.8, 0), (42.9, 1), (85.7, 1), (99, 1)])
def test_an_x_lies_in_a_part_of_the_past(x: float, expected: int) -> None:
    assert part_of(x, 85.71, 2) == expected


def test_a_busy_lane_has_a_histogram_and_tells_its_counts() -> None:
    busy = lane(is_busy=True, made=(50, 30), failures=(("r", at(5)),))
    found = drawn(busy).lanes[0]

    assert found.made
    assert found.failed
    assert (found.total, found.is_all, found.failures, found.shapes) == (80, False, 1, ())


def test_a_lane_is_marked_with_what_matters_most() -> None:
    lanes = [
        lane(run("Running", 1, None), name="fails"),
        lane(run("Waiting", 1, None), run("Running", 1, None)),
        lane(run("Paused", 1, None), run("Pending", 1, None)),
        lane(run("Failed", 2, 1), run("Completed", 1, 1)),
    ]

    assert [each.state for each in drawn(*lanes).lanes] == [
        "failed",
        "running",
        "paused",
        "completed",
    ]


def test_the_axis_has_round_hours_of_the_reader() -> None:
    labels = drawn().labels
    there = drawn(zone=timezone(timedelta(hours=5, minutes=30))).labels

    assert [each.text for each in labels] == ["03:00", "04:00", "05:00", "06:00", "07:00", "", ""]
    # the last one before the present may be left out
    assert [each.odd for each in labels] == [False, True, False, True, False, True, False]
    assert [each.text for each in there][:2] == ["08:00", "09:00"]


@each_row(("hours", "first"), [(1, ["07:20", "07:30", "07:40"]), (24, ["12:00", "16:00", "20:00"])])
def test_the_labels_fit_the_time_that_is_shown(hours: float, first: list[str]) -> None:
    assert [each.text for each in drawn(hours=hours).labels if each.text][:3] == first


def test_ticks_to_come_stand_in_the_lane_of_their_workflow() -> None:
    tick = Tick("nightly", "order", "public::embedded::order", at(-0.5))
    first, second = drawn(lane(), lane(name="other"), ticks=[tick]).lanes

    assert (first.ticks, second.ticks) == ((92.86,), ())


def test_ticks_that_would_lie_on_each_other_are_drawn_once() -> None:
    assert apart([3.0, 1.0, 1.5, 2.7, 4.4]) == [1.0, 2.7, 4.4]
