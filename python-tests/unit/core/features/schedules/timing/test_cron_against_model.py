"""The expression ticks when Vixie's daemon, simulated minute by minute, would start the job.

Around every change of every IANA zone's clock from 2000 to 2037, and at random elsewhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings, strategies as st
from model import plain_cron
from model.cron_texts import expressions
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.definition.cron.zones import spans_from
from cloaca_core.values.times.instants import SECOND, from_datetime, to_datetime

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
STRIDE = timedelta(days=5)
"""No clock is put twice in so many days; were one, the implementation would have other jumps."""
LOOKS = [FIRST + each * STRIDE for each in range((LAST - FIRST) // STRIDE + 1)]
assert LOOKS[-1] == LAST


def stored(zone: str) -> bytes | str:
    """The system's file about a zone; the zone's name where there is no file."""
    paths = (Path(folder) / zone for folder in TZPATH)
    return next((path.read_bytes() for path in paths if path.is_file()), zone)


NAMES = sorted(set(available_timezones()) - {"localtime", "Factory"}, reverse=True)
ZONES = sorted({stored(name): name for name in NAMES}.values())
"""A zone of many names is looked at once."""
AREAS = sorted({zone.partition("/")[0] if "/" in zone else "" for zone in ZONES})

TELLING = [
    "0,37 0-23 * * *",  # fixed times in each gap and fold, and right after it
    "0 0-23/2 * * *",  # at the edges of gaps and folds, every other hour
    "*/20 0-3 * * *",  # a wildcard by its minute
    "1 */3 * * *",  # a wildcard by its hour
    "0 0 * * *",  # where the clock jumps at midnight, and a day is skipped
    "30 0-5 L,1,15W * 0",  # days that the jump may move to another date
]
MODELS = {text: plain_cron.PlainCron(text) for text in TELLING}


class Jump(NamedTuple):
    """A zone's clock is put from ``before`` to ``after`` ahead of UTC at ``at``."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def on_the_wall(self) -> tuple[datetime, timedelta, bool]:
        """What the wall's clock shows, by how much it is put, and whether it is ahead of UTC."""
        return self.at + self.before, self.after - self.before, self.before > timedelta()


def ahead(zone: ZoneInfo, at: datetime) -> timedelta:
    distance = at.astimezone(zone).utcoffset()
    assert distance is not None
    return distance


def jumps(zone: ZoneInfo) -> Iterator[Jump]:
    """Found by looking every few days, then at the minutes of those that have one."""
    before = ahead(zone, FIRST)
    for at, next_look in pairwise(LOOKS):
        after = next_look.astimezone(zone).utcoffset()
        if after != before:
            assert after is not None
            yield Jump(first_minute(zone, at, after), before, after)
            before = after


def first_minute(zone: ZoneInfo, look: datetime, offset: timedelta) -> datetime:
    """At which minute of some days with one jump the clock is first so far ahead."""

    def at(minute: int) -> datetime:
        return look + minute * plain_cron.MINUTE

    minutes = range(STRIDE // plain_cron.MINUTE)
    return at(bisect_left(minutes, True, key=lambda each: ahead(zone, at(each)) == offset))


@each_row(
    ("count", "zone"),
    [
        (0, "UTC"),
        (76, "Europe/Berlin"),  # twice a year
        (23, "Pacific/Apia"),  # summer times from 2010 to 2021, and the day that was skipped
    ],
)
def test_every_jump_is_found(count: int, zone: str) -> None:
    assert sum(1 for _ in jumps(ZoneInfo(zone))) == count


@pytest.fixture(scope="module")
def compared() -> set[object]:
    """The jumps that were looked at: around one that a wall in another zone shows in the same way,
    the daemon, which knows that wall alone, starts the same jobs.
    """
    return set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("area", AREAS)
def test_around_every_jump_it_ticks_as_the_daemon_does(area: str, compared: set[object]) -> None:
    for name in ZONES:
        if (name.partition("/")[0] if "/" in name else "") == area:
            compare_zone(ZoneInfo(name), compared)


def compare_zone(zone: ZoneInfo, compared: set[object]) -> None:
    crons = [(CronExpression(text, zone.key), MODELS[text]) for text in TELLING]
    found = list(jumps(zone))
    assert spans_with_a_jump(zone) == found
    for jump in found:
        if jump.on_the_wall not in compared:
            compared.add(jump.on_the_wall)
            compare_jump(zone, jump, crons)


def spans_with_a_jump(zone: ZoneInfo) -> list[Jump]:
    """The jumps that the implementation found; one that it missed may be found in another zone."""
    end = from_datetime(LAST) // SECOND
    spans = takewhile(
        lambda span: span.start < end, spans_from(zone, from_datetime(FIRST) // SECOND)
    )
    return [
        Jump(
            to_datetime(span.start * SECOND),
            timedelta(seconds=span.before),
            timedelta(seconds=span.offset),
        )
        for span in spans
        if span.jump
    ]


def compare_jump(
    zone: ZoneInfo, jump: Jump, crons: list[tuple[CronExpression, plain_cron.PlainCron]]
) -> None:
    start, end = jump.at - timedelta(hours=2), jump.at + timedelta(hours=26)
    walls = plain_cron.wall_minutes(zone, start, end)
    put = plain_cron.clock_was_put(walls)
    for cron, plain in crons:
        expected = [start + n * plain_cron.MINUTE for n in plain_cron.jobs_run(plain, walls, put)]
        assert ticks(cron, start, end) == expected, (cron, jump)


def ticks(cron: CronExpression, start: datetime, end: datetime) -> list[datetime]:
    """From ``start`` on and before ``end``, as the model counts them."""
    found = cron.between(from_datetime(start) - 1, from_datetime(end) - 1)
    assert cron.count(from_datetime(start) - 1, from_datetime(end) - 1) == len(found)
    return [to_datetime(each) for each in found]


# Enough minutes to meet sparse expressions, few enough to read each of them.
@settings(max_examples=40)
@given(
    text=expressions(seconds=False),
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 20 * 365 * 1440),
)
@example(text="* * * * 0-0/1", zone="UTC", minute=0)  # which cronsim alone would misread
@example(text="0 0 29 2 *", zone="UTC", minute=(31 + 27) * 1440)
@example(text="0 0 31W * *", zone="Europe/Berlin", minute=29 * 1440)
def test_for_any_expression_it_ticks_as_the_daemon_does(text: str, zone: str, minute: int) -> None:
    start = FIRST + minute * plain_cron.MINUTE
    end = start + timedelta(days=2)
    expected = plain_cron.ticks(text, ZoneInfo(zone), start, end)
    assert ticks(CronExpression(text, zone), start, end) == expected
