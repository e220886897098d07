"""Times in per cent of an axis: folds of long waits, ticks at round times, labels with room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from tables import each_row

from cloaca_tools.ui.charts.axis import LONG, Axis, axis, merged

START = datetime(2026, 11, 26, 2, tzinfo=UTC).timestamp()
"""02:00:00 in UTC."""


def after(seconds: float) -> float:
    return START + seconds


def of(
    seconds: float,
    *work: tuple[float, float],
    zone: tzinfo | None = UTC,
    start: float = 0,
    fold: bool = True,
) -> Axis:
    """An axis of so many seconds, with work between seconds after ``START``."""
    spans = [(after(a), after(b)) for a, b in work]
    return axis(after(start), after(start + seconds), spans, zone, fold=fold)


def test_without_waits_time_is_even() -> None:
    found = of(200, (0, 200))

    assert [found.at(after(each)) for each in (0, 50, 100, 200)] == [0, 25, 50, 100]
    assert not found.can_fold


def test_instants_outside_stand_at_the_ends() -> None:
    found = of(200, (0, 200))

    assert (found.at(after(-30)), found.at(after(999))) == (0, 100)


def test_a_moment_alone_has_an_axis() -> None:
    found = of(0, (0, 0))

    assert found.at(after(0)) == 0


def test_a_long_wait_takes_seven_per_cent_but_for_its_edges() -> None:
    found = of(100 + 7_200, (0, 60), (60 + 7_200, 100 + 7_200))
    (fold,) = found.folds

    # 100 s of work; 4 s (a twenty-fifth of it) of the wait stay on each side: 108 s on 93 per cent
    assert fold.width == 7
    assert fold.x == pytest.approx(64 / 108 * 93, abs=0.01)
    assert found.at(after(60)) == pytest.approx(60 / 108 * 93, abs=0.01)
    assert found.at(after(60 + 3_600)) == pytest.approx(fold.x + 3.5, abs=0.01)
    assert found.at(after(7_300)) == 100
    assert fold.label.text == "1 h 59 m"


@each_row(("wait", "folds"), [(LONG, 0), (LONG + 1, 1)])
def test_a_wait_is_folded_above_ten_minutes(wait: float, folds: int) -> None:
    found = of(100 + wait, (0, 50), (50 + wait, 100 + wait))

    assert (len(found.folds), found.can_fold) == (folds, folds == 1)


@each_row(("wait", "folds"), [(200, 1), (10, 0)])
def test_a_time_between_two_rounds_is_folded_if_it_takes_much(wait: float, folds: int) -> None:
    work = [(after(0), after(50)), (after(50 + wait), after(100 + wait))]
    found = axis(after(0), after(100 + wait), work, UTC, rounds=[after(50 + wait)])

    assert (len(found.folds), found.can_fold) == (folds, folds == 1)


def test_unfolded_the_wait_has_its_length() -> None:
    found = of(1_000, (0, 50), (950, 1_000), fold=False)

    assert (found.folds, found.at(after(500)), found.can_fold) == ((), 50, True)


def test_a_wait_at_an_end_is_folded_up_to_it() -> None:
    found = of(7_300, (7_200, 7_300))
    (fold,) = found.folds

    assert (fold.x, found.at(after(0)), found.at(after(7_300))) == (0, 0, 100)


def test_many_folds_share_less_than_a_third() -> None:
    work = [(each * 1_000.0, each * 1_000.0 + 10) for each in range(11)]
    found = of(10_010, *work)

    assert len(found.folds) == 10
    assert sum(fold.width for fold in found.folds) == pytest.approx(30, abs=0.01)


def test_a_run_without_work_is_not_folded() -> None:
    assert of(90_000).folds == ()


def test_spans_that_touch_are_one() -> None:
    assert merged([(5, 6), (0, 2), (2, 3), (1, 1.5)]) == [(0, 3), (5, 6)]


# -- ticks ---------------------------------------------------------------------------------------


def texts(found: Axis) -> list[str]:
    return [tick.text for tick in found.ticks]


def test_ticks_stand_at_round_times() -> None:
    found = of(280, (0, 280), start=10)

    assert texts(found) == ["02:00", "02:01", "02:02", "02:03", "02:04"]
    assert [tick.x for tick in found.ticks][1:] == pytest.approx(
        [(60 * each - 10) / 2.8 for each in (1, 2, 3, 4)], abs=0.01
    )


@each_row(
    ("zone", "second"),
    [
        (ZoneInfo("Europe/Oslo"), "06:00"),  # an hour ahead: 03:00 at the start
        (
            ZoneInfo("Asia/Kolkata"),
            "09:00",
        ),  # 07:30 at the start: not the hours of UTC
        (timezone(timedelta(hours=-5)), "00:00"),  # 21:00 the day before
    ],
)
def test_round_times_are_those_of_the_reader(zone: tzinfo, second: str) -> None:
    found = of(18 * 3_600, (0, 18 * 3_600), zone=zone, fold=False)
    shown = {"00:00": "26 Nov"}.get(second, second)

    assert texts(found)[1:3].count(shown) == 1


@each_row(
    ("seconds", "shown"),
    [
        (0.9, "02:00:00.2"),
        (0.04, "02:00:00.010"),
        (30, "02:00:10"),
        (3_600, "02:10"),
        (90_000, "06:00"),
        (86_400 * 5, "27 Nov"),
    ],
)
def test_a_tick_is_as_exact_as_its_step(seconds: float, shown: str) -> None:
    assert shown in texts(of(seconds, (0, seconds)))


def test_no_tick_stands_in_a_fold() -> None:
    found = of(7_300, (0, 60), (7_260, 7_300))
    (fold,) = found.folds

    within = [tick for tick in found.ticks if fold.x + 0.1 < tick.x < fold.x + fold.width - 0.1]
    assert within == []


def test_labels_do_not_touch_on_any_screen() -> None:
    found = of(7_300, (0, 200), (7_200, 7_300))
    labels = [*found.ticks, *[fold.label for fold in found.folds]]

    # 6 pixels a letter on tracks of 360, 260 and 140 pixels
    for track, classes in ((360, ("", "mid", "wide")), (260, ("", "mid")), (140, ("",))):
        spans = []
        for label in labels:
            if label.shown in classes:
                width = 6 * len(label.text) / track * 100
                shift = {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
                spans.append((label.x - shift, label.x - shift + width))
        spans.sort()
        assert spans
        assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_the_length_of_a_fold_comes_before_ticks() -> None:
    found = of(7_300, (0, 200), (7_200, 7_300))

    assert [fold.label.shown for fold in found.folds] == ["mid"]
