"""The clock of a harness goes where a test sends it, and refuses times that do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tables import each_row

import cloaca
from cloaca.testing import Harness, HarnessClock, harness

OSLO = "Europe/Oslo"
WEST = timezone(timedelta(hours=-2))


@pytest.fixture
def clock() -> Iterator[HarnessClock]:
    made: Harness
    with harness(cloaca.Registry()) as made:
        yield made.clock


def test_it_advances_by_all_units_together(clock: HarnessClock) -> None:
    clock.advance(days=1, hours=2, minutes=3, seconds=4.5)

    assert clock.now() == datetime(2026, 3, 11, 14, 3, 4, 500_000, tzinfo=UTC)
    assert repr(clock) == "<clock of a harness: 2026-03-11 14:03:04 UTC>"


@pytest.mark.parametrize(
    ("moment", "tz", "fold", "expected"),
    [
        ("2026-03-29T01:59", OSLO, None, "2026-03-29T00:59"),  # the last minute of winter time
        ("2026-03-29T03:00", OSLO, None, "2026-03-29T01:00"),  # the first one of summer time
        ("2026-10-25T02:30", OSLO, 0, "2026-10-25T00:30"),  # in the hour that comes twice
        ("2026-10-25T02:30", OSLO, 1, "2026-10-25T01:30"),  # the second time
        ("2026-10-25T02:30+01:00", None, None, "2026-10-25T01:30"),  # the same, by its offset
        (datetime(2026, 4, 1, 8), OSLO, None, "2026-04-01T06:00"),  # noqa: DTZ001 - local by tz
        (
            datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=-2))),
            None,
            None,
            "2026-04-01T02:00",
        ),
    ],
)
def test_it_goes_to_a_moment(
    clock: HarnessClock, moment: datetime | str, tz: str | None, fold: int | None, expected: str
) -> None:
    clock.to(moment, tz=tz, fold=fold)

    assert clock.now() == datetime.fromisoformat(f"{expected}+00:00")


@each_row(
    ("moment", "tz", "message"),
    [
        ("2026-03-29T02:30", OSLO, "does not exist in Europe/Oslo"),  # in the gap
        ("2026-10-25T02:30", OSLO, r"twice in Europe/Oslo, at offset \+0200 and then at \+0100"),
        ("2026-03-29T03:30+02:00", OSLO, "has an offset of its own"),  # which of the two counts?
        ("2026-03-10T11:59:59+00:00", None, "time only goes forward"),  # a second ago
        ("2026-04-01T08:00", None, "Invalid datetime format"),  # where?
        ("2026-04-01T08:00", "Europe/Olso", "did you mean 'Europe/Oslo'"),  # a slip of the pen
    ],
)
def test_it_refuses_a_moment_that_it_cannot_show(
    clock: HarnessClock, moment: str, tz: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clock.to(moment, tz=tz)

    assert clock.now() == datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_it_never_goes_back(clock: HarnessClock) -> None:
    with pytest.raises(ValueError, match="not by -1 s"):
        clock.advance(seconds=-1)
